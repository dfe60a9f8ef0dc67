use crate::list::{Diffs, Items, Sorted};
use eyeball::SharedObservable;
use std::{
    collections::{BTreeSet, HashMap},
    hash::Hash,
    sync::Arc,
};
use whimbrel_model::{Change, ChannelId, Delta, MessageId, Op, OpId, OutboxItem, People};

/// How much waits in the outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxSummary {
    /// Operations that go out when they can.
    pub queued: usize,
    /// Operations that the server decided against, kept until the user discards or repeats them.
    pub rejected: usize,
    /// Those of the queued ones that failed so often that the user should know. They are tried again all the same.
    pub attention: usize,
}

/// What is laid over the server's rows: the outbox, by position, with what is looked up in it; and what holds of others.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    list: Sorted<u64, OutboxItem>,
    positions: HashMap<OpId, u64>,
    index: Index,
    summary: SharedObservable<OutboxSummary>,
    people: People,
    /// Failures after which an operation needs attention.
    attention_after: u32,
}

/// The positions of operations, by what they are looked up with.
#[derive(Debug, Default)]
struct Index {
    /// By the message that they make or change.
    messages: HashMap<MessageId, BTreeSet<u64>>,
    /// Replies, by the message that began the thread.
    replies: HashMap<MessageId, BTreeSet<u64>>,
    /// By the channel that they concern; those that concern none under nothing.
    channels: HashMap<Option<ChannelId>, BTreeSet<u64>>,
}

impl Outbox {
    pub(crate) fn new(items: Vec<OutboxItem>, attention_after: u32) -> Self {
        let mut outbox = Self {
            attention_after,
            ..Self::default()
        };
        let changes = items.into_iter().map(Change::Outbox).collect();
        outbox.reduce(&Delta { changes });
        outbox
    }

    /// Takes in the outbox changes of a delta. Returns the operations that it touches, as they were and as they are.
    pub(crate) fn reduce(&mut self, delta: &Delta) -> Vec<Arc<OutboxItem>> {
        let mut touched = Vec::new();
        let mut summary = self.summary.get();
        let mut edit = self.list.edit();
        for change in &delta.changes {
            let (id, item) = match change {
                Change::Outbox(item) => (item.id, Some(item)),
                Change::OutboxRemoved(id) => (*id, None),
                _ => continue,
            };
            let old = self.positions.remove(&id);
            if let Some(before) = old.and_then(|old| edit.get(&old)) {
                *summary.count_of(before) -= 1;
                summary.attention -= usize::from(before.needs_attention(self.attention_after));
                self.index.remove(before);
                touched.push(Arc::clone(before));
            }
            edit.place(old.as_ref(), item.map(|item| (item.pos, item.clone())));
            if let Some(item) = item {
                *summary.count_of(item) += 1;
                summary.attention += usize::from(item.needs_attention(self.attention_after));
                self.positions.insert(id, item.pos);
                self.index.add(item);
                touched.push(Arc::new(item.clone()));
            }
        }
        edit.commit();
        self.summary.set_if_not_eq(summary);
        touched
    }

    /// Iterates over the operations whose [`Op::message`](whimbrel_model::Op::message) is `id`, in outbox order.
    pub(crate) fn about(&self, id: MessageId) -> impl Iterator<Item = &OutboxItem> + Clone {
        self.at(self.index.messages.get(&id))
    }

    /// Iterates over the replies to a message that were not rejected, in outbox order.
    pub(crate) fn replies(&self, parent: MessageId) -> impl Iterator<Item = &OutboxItem> + Clone {
        let replies = self.at(self.index.replies.get(&parent));
        replies.filter(|item| item.rejection().is_none())
    }

    /// Iterates over the operations that concern `cid`, or no channel, in outbox order.
    pub(crate) fn of(&self, cid: Option<&ChannelId>) -> impl Iterator<Item = &OutboxItem> + Clone {
        self.at(self.index.channels.get(&cid.cloned()))
    }

    /// Iterates over those that were not rejected.
    pub(crate) fn queued(&self, cid: Option<&ChannelId>) -> impl Iterator<Item = &OutboxItem> + Clone {
        self.of(cid).filter(|item| item.rejection().is_none())
    }

    /// Iterates over the channels that operations concern.
    pub(crate) fn channels(&self) -> impl Iterator<Item = &ChannelId> {
        self.index.channels.keys().flatten()
    }

    pub(crate) fn items(&self) -> Items<OutboxItem> {
        self.list.items()
    }

    /// Returns what holds of others now.
    pub(crate) const fn people(&self) -> &People {
        &self.people
    }

    /// Sets what holds of others, and returns what did if it is something else.
    pub(crate) fn set_people(&mut self, people: People) -> Option<People> {
        (self.people != people).then(|| std::mem::replace(&mut self.people, people))
    }

    pub(crate) fn subscribe(&self) -> (Items<OutboxItem>, Diffs<OutboxItem>) {
        self.list.subscribe(None)
    }

    pub(crate) fn summary(&self) -> &SharedObservable<OutboxSummary> {
        &self.summary
    }

    fn at<'a>(
        &'a self,
        positions: Option<&'a BTreeSet<u64>>,
    ) -> impl Iterator<Item = &'a OutboxItem> + Clone {
        let items = positions.into_iter().flatten();
        items.filter_map(|pos| self.list.get(pos)).map(|item| &**item)
    }
}

impl OutboxSummary {
    fn count_of(&mut self, item: &OutboxItem) -> &mut usize {
        match item.rejection() {
            Some(_) => &mut self.rejected,
            None => &mut self.queued,
        }
    }
}

impl Index {
    fn add(&mut self, item: &OutboxItem) {
        if let Some(message) = item.op.message() {
            self.messages.entry(message).or_default().insert(item.pos);
        }
        if let Some(parent) = parent(item) {
            self.replies.entry(parent).or_default().insert(item.pos);
        }
        self.channels
            .entry(item.op.cid().cloned())
            .or_default()
            .insert(item.pos);
    }

    fn remove(&mut self, item: &OutboxItem) {
        if let Some(message) = item.op.message() {
            remove(&mut self.messages, &message, item.pos);
        }
        if let Some(parent) = parent(item) {
            remove(&mut self.replies, &parent, item.pos);
        }
        remove(&mut self.channels, &item.op.cid().cloned(), item.pos);
    }
}

/// Returns the message that an operation replies to in a thread.
pub(crate) fn parent(item: &OutboxItem) -> Option<MessageId> {
    match &item.op {
        Op::SendMessage { parent, .. } => *parent,
        _ => None,
    }
}

fn remove<K: Eq + Hash>(positions: &mut HashMap<K, BTreeSet<u64>>, key: &K, pos: u64) {
    if let Some(set) = positions.get_mut(key) {
        set.remove(&pos);
        if set.is_empty() {
            positions.remove(key);
        }
    }
}

/// Lays a field of a queued update over what is stored: absent fields stay.
pub(crate) fn replace<T: Clone>(field: &mut T, new: Option<&T>) {
    if let Some(new) = new {
        field.clone_from(new);
    }
}
