//! What else is on the screens of an app: how much is unread, the threads, the drafts, the pinned messages.

use super::{
    Violation,
    device::{Device, or_broken},
    log::violated,
    observe::{self, Seen},
    storage::now_or,
};
use std::collections::BTreeMap;
use whimbrel_model::{ChannelId, FollowedThread, MessageId, Op, Timestamp, overlay::MessageView};
use whimbrel_query::Query;
use whimbrel_state::{DraftView, Drafts, Items, Pins, Stale, State, ThreadItem, ThreadList, Unread};
use whimbrel_store::{AccountReader as _, MemoryStore, StoreReader as _};

/// Threads that an opened list begins with: few, so that there is more to read.
const FIRST_THREADS: usize = 3;

/// More than there ever are.
const ALL: usize = 100_000;

#[derive(Debug)]
pub(super) struct Shelf {
    unread: Unread,
    threads: ThreadList,
    seen_threads: Seen<ThreadItem>,
    drafts: Drafts,
    seen_drafts: Seen<DraftView>,
    pins: BTreeMap<ChannelId, (Pins, Seen<MessageView>)>,
}

impl Shelf {
    pub(super) fn open(state: &State, store: &MemoryStore) -> Result<Self, Violation> {
        let threads = state.open_threads();
        let unread = open_unread(state, store)?;
        read_all_threads(state, store, FIRST_THREADS)?;
        let drafts = state.open_drafts(or_broken(now_or(store.drafts())?)?);
        Ok(Self {
            unread,
            seen_threads: Seen::new(threads.subscribe()),
            threads,
            seen_drafts: Seen::new(drafts.subscribe()),
            drafts,
            pins: BTreeMap::new(),
        })
    }

    /// Somebody looks at the pinned messages of a channel.
    pub(super) fn open_pins(
        &mut self,
        state: &State,
        store: &MemoryStore,
        cid: &ChannelId,
    ) -> Result<(), Violation> {
        if !self.pins.contains_key(cid) {
            let pins = open_pins(state, store, cid)?;
            let seen = Seen::new(pins.subscribe());
            self.pins.insert(cid.clone(), (pins, seen));
        }
        Ok(())
    }

    pub(super) fn close_pins(&mut self) {
        self.pins.clear();
    }

    pub(super) fn look(&mut self) {
        self.seen_threads.take(false);
        self.seen_drafts.take(false);
        for (_, seen) in self.pins.values_mut() {
            seen.take(false);
        }
    }

    /// C18 of these lists.
    pub(super) fn differs(&self) -> Option<String> {
        let threads = self.seen_threads.differs(&self.threads.items());
        let drafts = self.seen_drafts.differs(&self.drafts.items());
        let pins = self.pins.iter();
        let pins = pins
            .filter(|(_, (pins, seen))| seen.differs(&pins.items()))
            .map(|(cid, _)| format!("the pinned messages of {cid}"))
            .next();
        let list = |differs: bool, what: &str| differs.then(|| what.to_owned());
        list(threads, "the threads")
            .or(list(drafts, "the drafts"))
            .or(pins)
    }

    /// Reads again what a delta alone does not say.
    pub(super) fn reduce(state: &State, store: &MemoryStore, stale: &Stale) -> Result<(), Violation> {
        if stale.all_threads {
            let shown = state.threads().map_or(0, |list| list.loaded());
            read_all_threads(state, store, shown.max(FIRST_THREADS))?;
        } else {
            put_threads(state, store, stale.threads.iter().copied())?;
        }
        put_pins(state, store, &stale.pins)?;
        if stale.people {
            show_people_again(state, store)?;
        }
        Ok(())
    }

    /// C8, E13: all of it is what a restart would show.
    pub(super) fn check(
        &self,
        device: &Device,
        state: &State,
        fresh: &State,
        now: Timestamp,
    ) -> Result<(), Violation> {
        let (name, store) = (&device.name, &device.store);
        tell_time(state, store, now)?;
        tell_time(fresh, store, now)?;
        let threads = fresh.open_threads();
        let unread = open_unread(fresh, store)?;
        read_all_threads(fresh, store, ALL)?;
        if unread.totals() != self.unread.totals() {
            return violated(
                "E13",
                format!(
                    "{name} counts {:?}, and after a restart {:?}",
                    self.unread.totals(),
                    unread.totals()
                ),
            );
        }
        // It is the beginning of what a restart would show, as far as it was loaded.
        let (shown, again) = (self.threads.items(), threads.items());
        let whole = self.threads.has_more() || shown.len() == again.len();
        same(
            name,
            "threads",
            &shown,
            &again.clone().take(shown.len().min(again.len())),
        )?;
        if !whole {
            return violated(
                "C8",
                format!(
                    "{name} shows {} threads, {} after a restart",
                    shown.len(),
                    again.len()
                ),
            );
        }
        let drafts = fresh.open_drafts(or_broken(now_or(store.drafts())?)?);
        same(name, "drafts", &self.drafts.items(), &drafts.items())?;
        for (cid, (pins, _)) in &self.pins {
            let again = open_pins(fresh, store, cid)?;
            same(name, "pinned messages", &pins.items(), &again.items())?;
        }
        Ok(())
    }
}

/// C8: a list is what it would be after a restart.
pub(super) fn same<T>(name: &str, what: &str, shown: &Items<T>, again: &Items<T>) -> Result<(), Violation>
where
    T: PartialEq + Clone + std::fmt::Debug,
{
    if shown == again {
        return Ok(());
    }
    let most = shown.len().max(again.len());
    let differs = (0..most)
        .map(|at| (shown.get(at), again.get(at)))
        .find(|(one, other)| one != other);
    violated(
        "C8",
        format!(
            "{name} shows {} {what}, {} after a restart; first difference: {differs:?}",
            shown.len(),
            again.len()
        ),
    )
}

/// Says what time it is, and reads again what that makes stale.
pub(super) fn tell_time(state: &State, store: &MemoryStore, now: Timestamp) -> Result<(), Violation> {
    if state.set_now(now).people {
        show_people_again(state, store)?;
    }
    Ok(())
}

/// Puts what the store has of the account itself.
pub(super) fn put_account(state: &State, store: &MemoryStore) -> Result<(), Violation> {
    let rows = or_broken(now_or(store.account_rows())?)?;
    if state.put_account(rows) {
        show_people_again(state, store)?;
    }
    Ok(())
}

/// Reads again what depends on others.
fn show_people_again(state: &State, store: &MemoryStore) -> Result<(), Violation> {
    for list in state.channel_lists() {
        for item in list.items() {
            observe::put_channel(state, store, &item.cid)?;
        }
        let rows = now_or(store.channels(list.query(), None, ALL, &state.people()));
        for row in or_broken(rows?)? {
            state.put_channel(observe::with_members(state, store, row)?);
        }
    }
    if state.unread().is_some() {
        let _open = open_unread(state, store)?;
    }
    let shown = state.threads().map_or(0, |list| list.loaded());
    read_all_threads(state, store, shown.max(FIRST_THREADS))
}

fn open_unread(state: &State, store: &MemoryStore) -> Result<Unread, Violation> {
    let rows = or_broken(now_or(store.channels(
        &Query::every_channel(),
        None,
        ALL,
        &state.people(),
    ))?)?;
    Ok(state.open_unread(&rows))
}

fn read_all_threads(state: &State, store: &MemoryStore, shown: usize) -> Result<(), Violation> {
    let threads: Vec<FollowedThread> = or_broken(now_or(store.threads(None, ALL, &state.people()))?)?;
    state.put_threads(threads, shown);
    let outbox = state.outbox();
    let waiting = outbox.iter().filter_map(|item| match &item.op {
        Op::SendMessage { parent, .. } => *parent,
        _ => None,
    });
    put_threads(state, store, waiting.collect::<Vec<_>>())
}

fn put_threads(
    state: &State,
    store: &MemoryStore,
    ids: impl IntoIterator<Item = MessageId>,
) -> Result<(), Violation> {
    for id in ids {
        state.put_thread(id, or_broken(now_or(store.thread(id, &state.people()))?)?);
    }
    Ok(())
}

fn open_pins(state: &State, store: &MemoryStore, cid: &ChannelId) -> Result<Pins, Violation> {
    let pinned = or_broken(now_or(store.pinned(cid))?)?;
    let (pins, missing) = state.open_pins(cid, pinned);
    put_pins(state, store, &missing)?;
    Ok(pins)
}

fn put_pins(state: &State, store: &MemoryStore, ids: &[MessageId]) -> Result<(), Violation> {
    for id in ids {
        if let Some(message) = or_broken(now_or(store.message(*id))?)? {
            state.put_pin(&message);
        }
    }
    Ok(())
}
