use crate::{Code, Op, OpEnvelope, OpId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// One operation that the device keeps until the server has decided it, and after a rejection until the user has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxItem {
    /// Place in the outbox, growing; the order within a lane.
    pub pos: u64,
    /// Its identity, final from birth.
    pub id: OpId,
    /// What to do.
    pub op: Op,
    /// The account that made it: it never leaves under another.
    pub user: UserId,
    /// When it was made, by this device's clock.
    pub composed_at: Timestamp,
    /// Whether it may have reached the server. From then on neither its id nor its content changes.
    pub attempted: bool,
    /// How often it was sent without an answer.
    pub failures: u32,
    /// What the last failure was.
    pub last_error: Option<Code>,
    /// Waiting, or rejected.
    pub status: OutboxStatus,
}

/// Whether an operation still goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutboxStatus {
    /// Goes out when it can.
    Queued,
    /// The server decided against it. Kept with its content until the user discards or repeats it.
    Rejected(Rejection),
}

/// Why an operation was rejected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// The stable code.
    pub code: Code,
    /// What happened, in words.
    pub message: String,
    /// With [`Code::ParentRejected`]: the operation that this one needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<OpId>,
}

impl OutboxItem {
    /// Returns the envelope to send; `after` is the unanswered operation before it in its lane.
    #[must_use]
    pub fn envelope(&self, after: Option<OpId>) -> OpEnvelope {
        OpEnvelope {
            id: self.id,
            op: self.op.clone(),
            composed_at: self.composed_at,
            after,
        }
    }

    /// Returns why it was rejected, if it was.
    #[must_use]
    pub fn rejection(&self) -> Option<&Rejection> {
        match &self.status {
            OutboxStatus::Rejected(rejection) => Some(rejection),
            OutboxStatus::Queued => None,
        }
    }
}
