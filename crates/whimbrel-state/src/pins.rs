//! The pinned messages of a channel.

use crate::{
    list::{Diffs, Items, Sorted},
    outbox::Outbox,
    state::lock,
};
use std::{
    cmp::Reverse,
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex},
};
use whimbrel_model::{
    Change, ChannelId, Delta, Message, MessageId, Op, OutboxItem, Row, StreamId, Timestamp,
    overlay::{self, MessageView},
};

/// The messages that are pinned in a channel, the last pinned first, kept up to date while a handle or a [`Diffs`] of it lives.
/// Waiting pins and unpins are in it, and a pin that has ended is not. Cloning it gives another handle to the same list.
///
/// It holds those that are on this device.
#[derive(Clone)]
pub struct Pins(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    cid: ChannelId,
    rows: Mutex<Rows>,
}

type Key = (Reverse<Timestamp>, MessageId);

#[derive(Default)]
struct Rows {
    /// Those that are pinned, and those that something waits for.
    stored: HashMap<MessageId, Message>,
    keys: HashMap<MessageId, Key>,
    list: Sorted<Key, MessageView>,
    now: Timestamp,
}

impl Pins {
    /// Returns which channel's they are.
    #[must_use]
    pub fn cid(&self) -> &ChannelId {
        &self.0.cid
    }

    /// Returns the pinned messages as they are now.
    #[must_use]
    pub fn items(&self) -> Items<MessageView> {
        lock(&self.0.rows).list.items()
    }

    /// Returns the pinned messages as they are now, and what changes from now on.
    #[must_use]
    pub fn subscribe(&self) -> (Items<MessageView>, Diffs<MessageView>) {
        let keep = Arc::clone(&self.0);
        lock(&self.0.rows).list.subscribe(Some(keep))
    }

    pub(crate) fn new(cid: ChannelId, now: Timestamp) -> Self {
        let rows = Rows {
            now,
            ..Rows::default()
        };
        Self(Arc::new(Shared {
            cid,
            rows: Mutex::new(rows),
        }))
    }

    /// Forgets what is known, and puts the store's pinned messages in its place.
    pub(crate) fn replace(&self, messages: Vec<Message>, outbox: &Outbox) {
        let mut rows = lock(&self.0.rows);
        let mut touched: Vec<_> = rows.stored.drain().map(|(id, _)| id).collect();
        for message in messages {
            touched.push(message.id);
            rows.stored.insert(message.id, message);
        }
        rows.settle(touched, outbox);
    }

    /// Puts a message that something waits for.
    pub(crate) fn put(&self, message: Message, outbox: &Outbox) {
        // Of a history that the server no longer has: it says nothing about this one.
        if message.cid == self.0.cid && message.ver > 0 {
            let mut rows = lock(&self.0.rows);
            let id = message.id;
            rows.stored.insert(id, message);
            rows.settle([id], outbox);
        }
    }

    /// Takes in a delta that was committed. Returns the messages that have to be read.
    pub(crate) fn reduce(&self, delta: &Delta, ops: &[Arc<OutboxItem>], outbox: &Outbox) -> Vec<MessageId> {
        let mut rows = lock(&self.0.rows);
        let (mut touched, mut missing) = (Vec::new(), Vec::new());
        for change in &delta.changes {
            match change {
                Change::Row(Row::Message(message)) if message.cid == self.0.cid => {
                    match rows.stored.get(&message.id).map(|known| known.ver) {
                        Some(known) if message.ver > known => {
                            rows.stored.insert(message.id, message.clone());
                            touched.push(message.id);
                        }
                        // Only the store can tell whether it has a newer copy that is not pinned. A pin may have waited for the
                        // message itself.
                        None if message.pinned.is_some() || waits_for_pin(outbox, message.id) => {
                            missing.push(message.id);
                        }
                        _ => {}
                    }
                }
                // They are of a history that the server no longer has, until it says them again.
                Change::Rebase(StreamId::Channel(cid)) if *cid == self.0.cid => {
                    touched.extend(rows.stored.drain().map(|(id, _)| id));
                }
                _ => {}
            }
        }
        let here = ops.iter().filter(|item| item.op.cid() == Some(&self.0.cid));
        touched.extend(here.clone().filter_map(|item| item.op.message()));
        missing.extend(here.filter_map(|item| match &item.op {
            Op::PinMessage { id, .. } if !rows.stored.contains_key(id) => Some(*id),
            _ => None,
        }));
        rows.settle(touched, outbox);
        missing
    }

    /// Takes out what was pinned until `now` or earlier, and puts back in what a clock that was put back brings back. Returns when
    /// the next pin ends.
    pub(crate) fn set_now(&self, now: Timestamp, outbox: &Outbox) -> Option<Timestamp> {
        let mut rows = lock(&self.0.rows);
        let before = std::mem::replace(&mut rows.now, now);
        if before == now && rows.keys.is_empty() {
            return None;
        }
        let (first, last) = (before.min(now), before.max(now));
        let ends = |message: &Message| message.pinned.as_ref().and_then(|pin| pin.until);
        let passed = |until: Timestamp| first < until && until <= last;
        let stored = rows
            .stored
            .values()
            .filter(|message| ends(message).is_some_and(passed));
        let shown = rows.list.items();
        let shown = shown
            .iter()
            .map(|view| &view.message)
            .filter(|message| ends(message).is_some_and(passed));
        let touched: Vec<_> = stored.chain(shown).map(|message| message.id).collect();
        rows.settle(touched, outbox);
        let shown = rows.list.items();
        shown.iter().filter_map(|view| ends(&view.message)).min()
    }
}

impl Rows {
    fn settle(&mut self, touched: impl IntoIterator<Item = MessageId>, outbox: &Outbox) {
        let mut batch = self.list.edit();
        for id in touched {
            let stored = self.stored.get(&id);
            let view = stored.and_then(|message| overlay::message(Some(message), outbox.about(id)));
            let shown = view.and_then(|view| {
                let at = view.message.pinned.as_ref()?.at;
                view.message
                    .is_pinned(self.now)
                    .then_some(((Reverse(at), id), view))
            });
            let old = self.keys.remove(&id);
            if let Some((key, _)) = &shown {
                self.keys.insert(id, *key);
            }
            let waits = outbox.about(id).next().is_some();
            if !waits && stored.is_some_and(|message| message.pinned.is_none()) {
                self.stored.remove(&id);
            }
            batch.place(old.as_ref(), shown);
        }
        batch.commit();
    }
}

fn waits_for_pin(outbox: &Outbox, id: MessageId) -> bool {
    outbox
        .about(id)
        .any(|item| matches!(item.op, Op::PinMessage { .. }))
}

impl fmt::Debug for Pins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pins").field(&self.0.cid).finish()
    }
}
