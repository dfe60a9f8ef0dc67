//! The pinned messages of channels.

use super::{Inner, State, lock};
use crate::Pins;
use std::sync::{Arc, Weak};
use whimbrel_model::{ChannelId, Delta, Message, MessageId, OutboxItem};

impl State {
    /// Opens the pinned messages of a channel with those of the store. Those that are open already are replaced.
    ///
    /// Returns the messages besides that have to be read for [`State::put_pin`].
    #[must_use = "what nobody holds is forgotten"]
    pub fn open_pins(&self, cid: &ChannelId, messages: Vec<Message>) -> (Pins, Vec<MessageId>) {
        let mut inner = lock(&self.0.inner);
        let now = inner.now;
        let pins = inner.pins_of(cid).unwrap_or_else(|| {
            let pins = Pins::new(cid.clone(), now);
            inner.pins.insert(cid.clone(), Arc::downgrade(&pins.0));
            pins
        });
        pins.replace(messages, &inner.outbox);
        let waiting: Vec<_> = inner.outbox.of(Some(cid)).cloned().map(Arc::new).collect();
        let missing = pins.reduce(&Delta::default(), &waiting, &inner.outbox);
        (pins, missing)
    }

    /// Returns the channels whose pinned messages are open.
    #[must_use]
    pub fn pins(&self) -> Vec<Pins> {
        lock(&self.0.inner).all_pins()
    }

    /// Puts a message that a waiting pin is of.
    pub fn put_pin(&self, message: &Message) {
        let mut inner = lock(&self.0.inner);
        for pins in inner.all_pins() {
            pins.put(message.clone(), &inner.outbox);
        }
    }
}

impl Inner {
    fn pins_of(&self, cid: &ChannelId) -> Option<Pins> {
        self.pins.get(cid).and_then(Weak::upgrade).map(Pins)
    }

    /// Returns the open ones, and forgets those that nobody holds any more.
    pub(super) fn all_pins(&mut self) -> Vec<Pins> {
        self.pins.retain(|_, pins| pins.strong_count() > 0);
        self.pins.values().filter_map(Weak::upgrade).map(Pins).collect()
    }

    pub(super) fn reduce_pins(&mut self, delta: &Delta, ops: &[Arc<OutboxItem>]) -> Vec<MessageId> {
        let mut missing = Vec::new();
        for pins in self.all_pins() {
            missing.extend(pins.reduce(delta, ops, &self.outbox));
        }
        missing
    }
}
