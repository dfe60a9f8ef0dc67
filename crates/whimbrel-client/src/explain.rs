//! Why something is as it is, for a person who asks.

use std::{fmt, time::Duration};
use whimbrel_model::{Cursor, Gap, Message, MessageId, OpId, OutboxItem, Rejection, WaitsFor};
use whimbrel_state::SyncState;
use whimbrel_sync::Unsent;

/// What only the engine knows of an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) unsent: Unsent,
    pub(crate) next_attempt: Option<Duration>,
}

/// Why an operation has no answer yet. Its `Display` says it in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The operation, with its content, its failures and its last error.
    pub item: OutboxItem,
    /// Why it is not decided.
    pub reason: Reason,
    /// What has to be decided before it.
    pub waits_for: WaitsFor,
    /// It is certainly not tried again before this has passed. Absent: it waits for no moment.
    pub next_attempt: Option<Duration>,
}

/// Why an operation is not decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The server decided against it. It waits for its user: repeat or discard it.
    Rejected(Rejection),
    /// There is no connection; this is why.
    NotConnected(SyncState),
    /// It was sent, and the server has not answered. If the connection breaks it is sent again, with the same id.
    OnItsWay,
    /// The server refused it for now.
    RefusedForNow,
    /// A rejected operation before it holds the channel until the user repeats or discards that one.
    Held(OpId),
    /// Others of its channel are on their way; then it leaves.
    ItsTurn,
}

/// Where what is shown of a message comes from. Its `Display` says it in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageExplanation {
    /// Which message.
    pub id: MessageId,
    /// The server's row, as it is on this device. Absent: the server has not accepted it, as far as is known here.
    pub stored: Option<Message>,
    /// Whether changes of the row come in by themselves. If not, it may have changed on the server: it lies in a gap or in
    /// a part that has to be fetched again.
    pub kept_up_to_date: bool,
    /// How far the channel is on this device.
    pub cursor: Option<Cursor>,
    /// What waits in the outbox about it, oldest first: it is laid over the row.
    pub waiting: Vec<Explanation>,
}

impl Explanation {
    pub(crate) fn new(item: OutboxItem, facts: Facts, waits_for: WaitsFor, status: SyncState) -> Self {
        let reason = match (facts.unsent, item.rejection()) {
            (_, Some(rejection)) => Reason::Rejected(rejection.clone()),
            (Unsent::OnItsWay { .. }, _) => Reason::OnItsWay,
            (Unsent::RetryAt { .. }, _) => Reason::RefusedForNow,
            (Unsent::Held { by }, _) => Reason::Held(by),
            (Unsent::ItsTurn, _) => Reason::ItsTurn,
            (Unsent::NotConnected | Unsent::Rejected, None) => Reason::NotConnected(status),
        };
        Self {
            item,
            reason,
            waits_for,
            next_attempt: facts.next_attempt,
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.item.op.name())?;
        match &self.reason {
            Reason::Rejected(rejection) => {
                let Rejection { code, message, .. } = rejection;
                return write!(f, " was rejected ({code}): {message}; repeat or discard it");
            }
            Reason::NotConnected(status) => write!(f, " waits for a connection: {}", Words(status))?,
            Reason::OnItsWay => f.write_str(" was sent and has no answer yet")?,
            Reason::RefusedForNow => f.write_str(" was refused for now")?,
            Reason::Held(by) => write!(
                f,
                " waits until operation {by}, which was rejected, is repeated or discarded"
            )?,
            Reason::ItsTurn => f.write_str(" waits for its turn in its channel")?,
        }
        if let WaitsFor::Operation(before) = self.waits_for {
            write!(f, "; operation {before} comes before it")?;
        }
        if self.item.failures > 0 {
            write!(f, "; it failed {} times", self.item.failures)?;
        }
        if let Some(code) = &self.item.last_error {
            write!(f, ", the last time with {code}")?;
        }
        if let Some(wait) = self.next_attempt {
            write!(f, "; it is tried again in {:.1} s", wait.as_secs_f64())?;
        }
        Ok(())
    }
}

impl fmt::Display for MessageExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.stored {
            None => write!(
                f,
                "message {} is not accepted by the server, as far as is known here",
                self.id
            )?,
            Some(message) => {
                let change = match (message.deleted_at, message.revision) {
                    (Some(_), _) => "its deletion".to_owned(),
                    (None, 0) => "its sending".to_owned(),
                    (None, revision) => format!("edit {revision}"),
                };
                write!(
                    f,
                    "message {} is number {} of its channel; change {} made it what it is: {change}",
                    self.id, message.seq, message.ver
                )?;
                if !self.kept_up_to_date {
                    f.write_str("; it may have changed on the server since")?;
                }
            }
        }
        for waiting in &self.waiting {
            write!(f, "; on top of it, {waiting}")?;
        }
        Ok(())
    }
}

/// A status in words.
struct Words<'a>(&'a SyncState);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            SyncState::Offline => f.write_str("the client was not told to connect"),
            SyncState::Connecting | SyncState::Authenticating => f.write_str("one is being made"),
            SyncState::CatchingUp { .. } | SyncState::Live => f.write_str("it has just been made"),
            SyncState::BackingOff { reason, .. } => write!(f, "the last one ended ({reason})"),
            SyncState::NeedsAuth { reason } => write!(f, "the token is not accepted ({reason})"),
            SyncState::Failed { reason } => write!(f, "none can be made ({reason})"),
            SyncState::Revoked { .. } => f.write_str("this device was revoked"),
            SyncState::Suspended => f.write_str("the client is suspended"),
            SyncState::Closed => f.write_str("the client is closed"),
            _ => write!(f, "{:?}", self.0),
        }
    }
}

/// Returns whether the message at `seq` is in none of the gaps.
pub(crate) fn is_outside(gaps: &[Gap], seq: u64) -> bool {
    !gaps.iter().any(|gap| gap.lo <= seq && seq <= gap.hi)
}
