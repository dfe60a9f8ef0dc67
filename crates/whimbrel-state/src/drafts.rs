//! What was written and not sent, of all devices of the account.

use crate::{
    list::{Diffs, Items, Sorted},
    outbox::Outbox,
    state::lock,
};
use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::{Arc, Mutex},
};
use whimbrel_model::{
    Change, ChannelId, Delta, DeviceId, Draft, DraftContent, DraftSeen, MessageId, Op, OutboxItem, Row,
    StreamId, Timestamp, UserId,
};

/// Where a draft is for: a channel's timeline, or one of its threads by the message that began it.
pub type DraftPlace = (ChannelId, Option<MessageId>);

/// What is being written in one place: the draft to go on with, and those that other devices wrote meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftView {
    /// For which channel.
    pub cid: ChannelId,
    /// For which thread. Absent: for the channel's timeline.
    pub parent: Option<MessageId>,
    /// What it says: the one that this device has written and not brought to the server yet, else the last in server order.
    pub content: DraftContent,
    /// Which device wrote it.
    pub device: DeviceId,
    /// When it changed last.
    pub updated_at: Timestamp,
    /// Whether it waits in the outbox.
    pub pending: bool,
    /// The other slots of this place, the newest first: what other devices have written, or this one before another did. Nothing
    /// replaces those of others but a save that names them.
    pub beside: Vec<Draft>,
    ver: u64,
}

impl DraftView {
    /// Returns which version of which device's draft it is: what a save names that goes on from it. Absent: it waits in this
    /// device's outbox, and the next save takes its place anyhow.
    #[must_use]
    pub fn seen(&self) -> Option<DraftSeen> {
        (self.ver > 0).then_some(DraftSeen {
            device: self.device,
            ver: self.ver,
        })
    }

    /// Returns everything that is there in this place: what a save names that is to be all that is left.
    #[must_use]
    pub fn all_seen(&self) -> Vec<DraftSeen> {
        let beside = self.beside.iter().filter(|draft| draft.ver > 0);
        let beside = beside.map(|draft| DraftSeen {
            device: draft.device,
            ver: draft.ver,
        });
        self.seen().into_iter().chain(beside).collect()
    }
}

/// The drafts of the account, by place, kept up to date while a handle or a [`Diffs`] of it lives. Cloning it gives another
/// handle to the same list.
#[derive(Clone)]
pub struct Drafts(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    me: UserId,
    rows: Mutex<Rows>,
}

#[derive(Default)]
struct Rows {
    /// Those that are not empty.
    stored: HashMap<DraftPlace, Vec<Draft>>,
    list: Sorted<DraftPlace, DraftView>,
}

impl Drafts {
    /// Returns the drafts as they are now.
    #[must_use]
    pub fn items(&self) -> Items<DraftView> {
        lock(&self.0.rows).list.items()
    }

    /// Returns the drafts as they are now, and what changes from now on.
    #[must_use]
    pub fn subscribe(&self) -> (Items<DraftView>, Diffs<DraftView>) {
        let keep = Arc::clone(&self.0);
        lock(&self.0.rows).list.subscribe(Some(keep))
    }

    /// Returns the draft in one place.
    #[must_use]
    pub fn get(&self, cid: &ChannelId, parent: Option<MessageId>) -> Option<Arc<DraftView>> {
        lock(&self.0.rows).list.get(&(cid.clone(), parent)).cloned()
    }

    /// Creates the list from the store's drafts.
    pub(crate) fn new(me: UserId, drafts: Vec<Draft>, outbox: &Outbox) -> Self {
        let list = Self(Arc::new(Shared {
            me,
            rows: Mutex::default(),
        }));
        list.replace(drafts, outbox);
        list
    }

    /// Forgets what is known, and puts the store's drafts in its place.
    pub(crate) fn replace(&self, drafts: Vec<Draft>, outbox: &Outbox) {
        let mut rows = lock(&self.0.rows);
        let mut touched: BTreeSet<_> = rows.stored.keys().cloned().collect();
        rows.stored.clear();
        for draft in drafts {
            rows.put(&draft);
        }
        touched.extend(rows.stored.keys().cloned());
        touched.extend(outbox.channels().flat_map(|cid| waiting_places(outbox, cid)));
        rows.settle(touched, outbox);
    }

    /// Takes in a delta that was committed, and the operations that it touches.
    pub(crate) fn reduce(&self, delta: &Delta, ops: &[Arc<OutboxItem>], outbox: &Outbox) {
        let mut touched = BTreeSet::new();
        let mut rows = lock(&self.0.rows);
        for change in &delta.changes {
            match change {
                Change::Row(Row::Draft(draft)) if draft.user == self.0.me => {
                    rows.put(draft);
                    touched.insert((draft.cid.clone(), draft.parent));
                }
                // They are of a history that the server no longer has, until it says them again.
                Change::Rebase(StreamId::User(user)) if *user == self.0.me => {
                    touched.extend(rows.stored.drain().map(|(place, _)| place));
                }
                _ => {}
            }
        }
        touched.extend(ops.iter().filter_map(|item| place_of(&item.op)));
        if !touched.is_empty() {
            rows.settle(touched, outbox);
        }
    }
}

impl Rows {
    fn put(&mut self, draft: &Draft) {
        let slots = self.stored.entry((draft.cid.clone(), draft.parent)).or_default();
        match slots.iter_mut().find(|slot| slot.device == draft.device) {
            Some(slot) if slot.ver < draft.ver => *slot = draft.clone(),
            Some(_) => {}
            None => slots.push(draft.clone()),
        }
    }

    fn settle(&mut self, touched: impl IntoIterator<Item = DraftPlace>, outbox: &Outbox) {
        let mut batch = self.list.edit();
        for place in touched {
            let stored = self.stored.get(&place).map(Vec::as_slice).unwrap_or_default();
            let shown = show(&place, stored, outbox).map(|view| (place.clone(), view));
            batch.place(Some(&place), shown);
        }
        batch.commit();
    }
}

/// Lays what waits over the slots of one place. Nothing: nobody is writing there.
fn show((cid, parent): &DraftPlace, stored: &[Draft], outbox: &Outbox) -> Option<DraftView> {
    let mut slots: Vec<Draft> = stored
        .iter()
        .filter(|slot| slot.content.is_some())
        .cloned()
        .collect();
    let mut waiting = None;
    for item in outbox.queued(Some(cid)) {
        let Op::SaveDraft {
            parent: of,
            device,
            content,
            replaces,
            ..
        } = &item.op
        else {
            continue;
        };
        if of != parent {
            continue;
        }
        slots.retain(|slot| {
            let replaced = |seen: &DraftSeen| seen.device == slot.device && seen.ver == slot.ver;
            slot.device != *device && !replaces.iter().any(replaced)
        });
        waiting = Some(*device);
        slots.extend(content.as_ref().map(|content| Draft {
            user: item.user.clone(),
            cid: cid.clone(),
            parent: *parent,
            device: *device,
            content: Some(content.clone()),
            updated_at: item.composed_at,
            ver: 0,
        }));
    }
    slots.sort_by_key(|slot| std::cmp::Reverse((waiting == Some(slot.device), slot.ver)));
    let mut slots = slots.into_iter();
    let first = slots.next()?;
    Some(DraftView {
        cid: cid.clone(),
        parent: *parent,
        content: first.content?,
        device: first.device,
        updated_at: first.updated_at,
        pending: first.ver == 0,
        beside: slots.collect(),
        ver: first.ver,
    })
}

fn place_of(op: &Op) -> Option<DraftPlace> {
    match op {
        Op::SaveDraft { cid, parent, .. } => Some((cid.clone(), *parent)),
        _ => None,
    }
}

fn waiting_places<'a>(outbox: &'a Outbox, cid: &'a ChannelId) -> impl Iterator<Item = DraftPlace> + 'a {
    outbox.of(Some(cid)).filter_map(|item| place_of(&item.op))
}

impl fmt::Debug for Drafts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drafts").finish_non_exhaustive()
    }
}
