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

/// What has to happen before an operation is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitsFor {
    /// This one, which it needs, or which comes before it in its lane.
    Operation(OpId),
    /// A connection, and then the server's answer.
    Server,
    /// The user: it was rejected, and is repeated or discarded by nobody else.
    User,
}

impl OutboxItem {
    /// Returns what it waits for, given the outbox, oldest first: the last undecided operation that it depends on, else
    /// the one right before it in its lane.
    #[must_use]
    pub fn waits_for<'a>(&self, outbox: impl IntoIterator<Item = &'a Self>) -> WaitsFor {
        if self.rejection().is_some() {
            return WaitsFor::User;
        }
        let (mut needed, mut before) = (None, None);
        let earlier = outbox.into_iter().take_while(|item| item.pos < self.pos);
        for item in earlier.filter(|item| item.rejection().is_none() && item.op.lane() == self.op.lane()) {
            before = Some(item.id);
            if self.op.depends_on(&item.op) {
                needed = before;
            }
        }
        needed.or(before).map_or(WaitsFor::Server, WaitsFor::Operation)
    }

    /// Returns whether it failed so often that the user should know. It is tried again all the same.
    #[must_use]
    pub const fn needs_attention(&self, after: u32) -> bool {
        matches!(self.status, OutboxStatus::Queued) && self.failures >= after
    }

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
