//! How far messages have got.

use super::{Inner, State, lock};
use crate::{MessageReceipts, ReceiptRows};
use std::sync::{Arc, Weak};
use whimbrel_model::{ChannelId, Message, MessageId, MessageScope};

impl State {
    /// Returns the timelines that show own messages, and of which it was not read for whom those are: for
    /// [`State::put_receipts`].
    #[must_use]
    pub fn wanted_receipts(&self) -> Vec<(ChannelId, MessageScope)> {
        let mut inner = lock(&self.0.inner);
        let mut wanted = Vec::new();
        for timeline in inner.timelines.all() {
            let place = (timeline.cid().clone(), timeline.scope());
            if lock(&timeline.0.window).wants_registers() && !wanted.contains(&place) {
                wanted.push(place);
            }
        }
        wanted
    }

    /// Puts who is in a channel and how far they are, for its open timelines of a scope.
    pub fn put_receipts(&self, cid: &ChannelId, scope: MessageScope, rows: &ReceiptRows) {
        let mut inner = lock(&self.0.inner);
        for timeline in inner.timelines.all() {
            if (timeline.cid(), timeline.scope()) == (cid, scope) {
                timeline.change(|window| window.put_registers(rows, &inner.outbox));
            }
        }
        inner.settle_objects(&self.0.me);
    }

    /// Opens how far each member has a message, or returns what is open already. What the store has of it is to be put next.
    #[must_use = "what nobody holds is forgotten"]
    pub fn open_receipts(&self, cid: ChannelId, message: MessageId) -> MessageReceipts {
        let mut inner = lock(&self.0.inner);
        let open = inner.message_receipts().into_iter();
        let mut open = open.filter(|open| (open.cid(), open.message()) == (&cid, message));
        open.next().unwrap_or_else(|| {
            let receipts = MessageReceipts::new(cid, message);
            inner.timelines.receipts.push(Arc::downgrade(&receipts.0));
            receipts
        })
    }

    /// Returns those of which the store is to be read, for [`State::put_message_receipts`].
    #[must_use]
    pub fn wanted_message_receipts(&self) -> Vec<MessageReceipts> {
        let mut open = lock(&self.0.inner).message_receipts();
        open.retain(MessageReceipts::wants_rows);
        open
    }

    /// Puts what the store has of a message, and of who is in its channel and how far they are, there and in the thread that it is in.
    /// Absent: the message is not on this device.
    pub fn put_message_receipts(
        &self,
        receipts: &MessageReceipts,
        message: Option<&Message>,
        rows: &ReceiptRows,
    ) {
        // Between two deltas, as everything that is read from the store.
        let _inner = lock(&self.0.inner);
        receipts.put(message, rows);
    }

    /// Lets everything of this be read from the store again. What is shown stays until then.
    pub fn forget_receipts(&self) {
        let mut inner = lock(&self.0.inner);
        for timeline in inner.timelines.all() {
            timeline.change(|window| window.forget_registers());
        }
        for receipts in inner.message_receipts() {
            receipts.forget();
        }
    }
}

impl Inner {
    /// Returns what is open, and forgets what nobody holds any more.
    pub(super) fn message_receipts(&mut self) -> Vec<MessageReceipts> {
        let receipts = &mut self.timelines.receipts;
        receipts.retain(|open| open.strong_count() > 0);
        let open = receipts.iter().filter_map(Weak::upgrade);
        open.map(MessageReceipts).collect()
    }
}
