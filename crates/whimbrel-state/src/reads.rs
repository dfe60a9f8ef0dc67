//! How far everyone has read a channel or a thread, as a list.

use crate::{list::Sorted, outbox::Outbox};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use whimbrel_model::{
    Change, ChannelId, Delta, MessageId, OutboxItem, Read, ReadPosition, Row, StreamId, UserId,
};

/// The read positions in one channel, or in one of its threads: the server's rows, and the list that is shown of them.
#[derive(Debug)]
pub(crate) struct Reads {
    cid: ChannelId,
    thread: Option<MessageId>,
    me: UserId,
    rows: BTreeMap<UserId, Read>,
    pub(crate) list: Sorted<UserId, Read>,
}

impl Reads {
    pub(crate) fn new(cid: ChannelId, thread: Option<MessageId>, me: UserId) -> Self {
        Self {
            cid,
            thread,
            me,
            rows: BTreeMap::new(),
            list: Sorted::default(),
        }
    }

    /// Replaces all of them by those that the store has in the channel.
    pub(crate) fn replace(&mut self, rows: &[Read], outbox: &Outbox) {
        let mut users: BTreeSet<_> = self.rows.keys().cloned().collect();
        let here = rows.iter().filter(|row| row.thread == self.thread);
        self.rows = here.map(|row| (row.user.clone(), row.clone())).collect();
        users.extend(self.rows.keys().cloned());
        users.insert(self.me.clone());
        self.show(users, outbox);
    }

    /// Takes in a delta; `ops` are the outbox items that it touches.
    pub(crate) fn reduce(&mut self, delta: &Delta, ops: &[Arc<OutboxItem>], outbox: &Outbox) {
        let mut touched = BTreeSet::new();
        for change in &delta.changes {
            match change {
                Change::Row(Row::Read(row))
                    if row.cid == self.cid
                        && row.thread == self.thread
                        && self.rows.get(&row.user).is_none_or(|old| row.ver > old.ver) =>
                {
                    self.rows.insert(row.user.clone(), row.clone());
                    touched.insert(row.user.clone());
                }
                Change::Rebase(StreamId::Channel(cid)) if *cid == self.cid => {
                    self.rows.values_mut().for_each(|row| row.ver = 0);
                    touched.extend(self.rows.keys().cloned());
                }
                _ => {}
            }
        }
        let mut ours = ops.iter().filter(|item| item.op.cid() == Some(&self.cid));
        if ours.any(|item| item.op.read_position().is_some()) {
            touched.insert(self.me.clone());
        }
        self.show(touched, outbox);
    }

    /// Computes the touched users again and shows the result as one batch.
    fn show(&mut self, touched: BTreeSet<UserId>, outbox: &Outbox) {
        let mut batch = self.list.edit();
        for user in touched {
            // A position in a history that the server no longer has says nothing about this one.
            let stored = self.rows.get(&user).filter(|read| read.ver > 0);
            let waiting = (user == self.me)
                .then(|| ReadPosition::waiting(&self.cid, self.thread, outbox.of(Some(&self.cid))))
                .flatten();
            let shown = match waiting {
                Some(waiting) => {
                    let none = || Read::new(self.cid.clone(), user.clone(), self.thread);
                    let mut read = stored.cloned().unwrap_or_else(none);
                    read.advance(waiting);
                    Some(read)
                }
                None => stored.cloned(),
            };
            let old = batch.get(&user).is_some().then_some(&user);
            batch.place(old, shown.map(|read| (user.clone(), read)));
        }
        batch.commit();
    }
}
