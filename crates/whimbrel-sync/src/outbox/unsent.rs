//! Why an operation has not been decided yet.

use super::Outbox;
use crate::EngineConfig;
use std::collections::BTreeSet;
use whimbrel_model::{Lane, Op, OpId, OutboxItem, limits};

/// Why an operation in the outbox is not decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsent {
    /// The server decided against it; it waits for its user.
    Rejected,
    /// There is no connection that is ready.
    NotConnected,
    /// It left on this connection at this moment of the monotonic clock, and has no answer yet.
    OnItsWay {
        /// When, in milliseconds.
        since: u64,
    },
    /// Its lane is left alone until this moment of the monotonic clock: the server refused it for now.
    RetryAt {
        /// When, in milliseconds.
        at: u64,
    },
    /// Its lane stands still because this one was rejected, see
    /// [`EngineConfig::hold_after_rejection`](crate::EngineConfig::hold_after_rejection).
    Held {
        /// The rejected one.
        by: OpId,
    },
    /// Others are on their way, and it leaves when they have their answers.
    ItsTurn,
}

impl Outbox {
    pub(crate) fn unsent(&self, id: OpId, connected: bool, config: &EngineConfig) -> Option<Unsent> {
        let item = self.find(id).ok()?;
        if item.rejection().is_some() {
            return Some(Unsent::Rejected);
        }
        let lane = self.lanes.get(&item.op.lane())?;
        let held = || {
            self.holders(config)
                .find(|holder| holder.op.lane() == item.op.lane())
        };
        Some(if lane.is_in_flight(item.pos) {
            Unsent::OnItsWay { since: lane.sent_at }
        } else if !connected {
            Unsent::NotConnected
        } else if let Some(holder) = held() {
            Unsent::Held { by: holder.id }
        } else if let Some(at) = lane.retry_at {
            Unsent::RetryAt { at }
        } else {
            Unsent::ItsTurn
        })
    }

    /// Returns the lanes that stand still until their user has decided.
    pub(super) fn held(&self, config: &EngineConfig) -> BTreeSet<Lane> {
        self.holders(config).map(|item| item.op.lane()).collect()
    }

    /// Returns the rejected operations that hold their lanes.
    fn holders(&self, config: &EngineConfig) -> impl Iterator<Item = &OutboxItem> {
        let rejected = config.hold_after_rejection.then_some(&self.items).into_iter();
        rejected.flat_map(|items| items.values()).filter(|item| {
            item.rejection().is_some() && matches!(item.op, Op::SendMessage { .. } | Op::CreateChannel { .. })
        })
    }
}

/// Returns how many operations of one lane may be on their way at once: one, if a rejection has to stop the next.
pub(super) const fn most_in_flight(config: &EngineConfig) -> usize {
    if config.hold_after_rejection {
        1
    } else {
        limits::LANE_IN_FLIGHT
    }
}
