//! Single messages that are shown outside of the timeline that they stand in: quoted ones, and the parent of a thread.

use crate::{list::Sorted, outbox::Outbox};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};
use whimbrel_model::{
    Change, Delta, Message, MessageId, OutboxItem, Row, StreamId,
    overlay::{self, MessageView},
};

/// Messages by id, with what waits in the outbox laid over them.
#[derive(Debug, Default)]
pub(crate) struct Lookups {
    wanted: HashMap<MessageId, Stored>,
    pub(crate) list: Sorted<MessageId, MessageView>,
}

/// What is known of a message that is wanted.
#[derive(Debug)]
enum Stored {
    /// It was not read yet.
    Unread,
    /// The server's row. Absent: it is not on this device.
    Read(Option<Box<Message>>),
}

impl Lookups {
    /// Sets which messages are wanted.
    pub(crate) fn want(&mut self, ids: &BTreeSet<MessageId>) {
        let mut batch = self.list.edit();
        self.wanted.retain(|id, _| {
            let keep = ids.contains(id);
            if !keep {
                batch.place(Some(id), None);
            }
            keep
        });
        batch.commit();
        for id in ids {
            self.wanted.entry(*id).or_insert(Stored::Unread);
        }
    }

    /// Returns the wanted messages that have to be read from the store.
    pub(crate) fn unread(&self) -> impl Iterator<Item = MessageId> {
        let unread = self.wanted.iter();
        unread
            .filter(|(_, stored)| matches!(stored, Stored::Unread))
            .map(|(id, _)| *id)
    }

    /// Lets all be read from the store again. What is shown stays until then.
    pub(crate) fn forget(&mut self) {
        self.wanted
            .values_mut()
            .for_each(|stored| *stored = Stored::Unread);
    }

    /// Puts a message that was read from the store.
    pub(crate) fn put(&mut self, id: MessageId, message: Option<&Message>, outbox: &Outbox) {
        if let Some(stored) = self.wanted.get_mut(&id) {
            *stored = Stored::Read(message.cloned().map(Box::new));
            self.show([id], outbox);
        }
    }

    /// Takes in a delta; `ops` are the outbox items that it touches.
    pub(crate) fn reduce(&mut self, delta: &Delta, ops: &[Arc<OutboxItem>], outbox: &Outbox) {
        let mut touched: BTreeSet<_> = ops.iter().filter_map(|item| item.op.message()).collect();
        for change in &delta.changes {
            match change {
                Change::Row(Row::Message(row)) => {
                    if let Some(Stored::Read(stored)) = self.wanted.get_mut(&row.id)
                        && stored.as_ref().is_none_or(|stored| row.ver > stored.ver)
                    {
                        *stored = Some(Box::new(row.clone()));
                        touched.insert(row.id);
                    }
                }
                Change::Rebase(StreamId::Channel(cid)) => {
                    for (id, stored) in &mut self.wanted {
                        if let Stored::Read(Some(stored)) = stored
                            && stored.cid == *cid
                        {
                            stored.ver = 0;
                            touched.insert(*id);
                        }
                    }
                }
                _ => {}
            }
        }
        self.show(touched, outbox);
    }

    fn show(&mut self, ids: impl IntoIterator<Item = MessageId>, outbox: &Outbox) {
        let mut batch = self.list.edit();
        for id in ids {
            let Some(Stored::Read(stored)) = self.wanted.get(&id) else {
                continue;
            };
            // Of a history that the server no longer has: it says nothing about this one.
            let stored = stored.as_deref().filter(|message| message.ver > 0);
            let shown = overlay::message(stored, outbox.about(id));
            let old = batch.get(&id).is_some().then_some(id);
            batch.place(old.as_ref(), shown.map(|view| (id, view)));
        }
        batch.commit();
    }
}
