//! What an app sees: lists that are read once and from then on built by their changes alone, as a screen does.

use super::{
    Mutant, Violation,
    device::{Device, everything, or_broken},
    log::violated,
    shelf::{Shelf, put_account, same, tell_time},
    storage::now_or,
    weaken::weaken_rows,
    world::World,
};
use futures_util::{FutureExt as _, StreamExt as _};
use std::collections::BTreeMap;
use whimbrel_model::{
    ChannelId, ChannelSummary, MemberState, MessageId, MessageQuery, MessageScope, OutboxItem, limits,
};
use whimbrel_state::{
    ChannelItem, ChannelList, ChannelRow, Diffs, Items, OlderEdge, State, Timeline, TimelineItem, VectorDiff,
};
use whimbrel_store::{MemoryStore, Store as _, StoreReader as _};

/// A channel, and the message whose thread it is.
pub(super) type Place = (ChannelId, Option<MessageId>);

/// A list as its reader has it.
#[derive(Debug)]
pub(super) struct Seen<T> {
    items: Items<T>,
    diffs: Diffs<T>,
    /// A change was about a row that is not there.
    broken: bool,
}

#[derive(Debug)]
pub(super) struct Open {
    timeline: Timeline,
    seen: Seen<TimelineItem>,
}

/// Everything that is on the screens of one running app.
#[derive(Debug)]
pub(super) struct Views {
    pub(super) timelines: BTreeMap<Place, Open>,
    pub(super) list: ChannelList,
    channels: Seen<ChannelItem>,
    outbox: Seen<OutboxItem>,
    pub(super) shelf: Shelf,
}

impl<T: Clone + PartialEq + Send + Sync + 'static> Seen<T> {
    pub(super) fn new((items, diffs): (Items<T>, Diffs<T>)) -> Self {
        Self {
            items,
            diffs,
            broken: false,
        }
    }

    pub(super) fn differs(&self, items: &Items<T>) -> bool {
        self.broken || self.items != *items
    }

    /// Applies what has changed; `lose` one batch of it, for a mutant.
    pub(super) fn take(&mut self, lose: bool) {
        let mut lose = lose;
        while let Some(Some(batch)) = self.diffs.next().now_or_never() {
            if std::mem::take(&mut lose) {
                continue;
            }
            for diff in batch {
                let fits = match &diff {
                    VectorDiff::Insert { index, .. } => *index <= self.items.len(),
                    VectorDiff::Set { index, .. } | VectorDiff::Remove { index } => *index < self.items.len(),
                    _ => true,
                };
                if fits {
                    diff.apply(&mut self.items);
                }
                self.broken |= !fits;
            }
        }
    }
}

impl Views {
    /// Opens the channel list, with its first `rows` rows, and the outbox.
    pub(super) fn open(state: &State, device: &Device, rows: usize) -> Result<Self, Violation> {
        let list = open_channels(state, device, rows, None)?;
        Ok(Self {
            timelines: BTreeMap::new(),
            channels: Seen::new(list.subscribe()),
            list,
            outbox: Seen::new(state.subscribe_outbox()),
            shelf: Shelf::open(state, &device.store)?,
        })
    }

    pub(super) fn timeline(&self, place: &Place) -> Option<&Timeline> {
        self.timelines.get(place).map(|open| &open.timeline)
    }

    pub(super) fn put(&mut self, place: Place, timeline: Timeline) {
        let seen = Seen::new(timeline.subscribe());
        self.timelines.insert(place, Open { timeline, seen });
    }

    /// The reader looks: everything that has changed is applied.
    pub(super) fn look(&mut self, lose: bool) {
        for open in self.timelines.values_mut() {
            open.seen.take(lose);
        }
        self.channels.take(lose);
        self.outbox.take(lose);
        self.shelf.look();
    }

    /// C18: the changes, applied in order, made exactly the lists. Returns the one that differs.
    fn differs(&self, state: &State) -> Option<String> {
        let timelines = self.timelines.iter();
        let timeline = timelines
            .filter(|(_, open)| open.seen.differs(&open.timeline.items()))
            .map(|(place, _)| format!("the timeline of {place:?}"))
            .next();
        let channels = self
            .channels
            .differs(&self.list.items())
            .then(|| "the channel list".to_owned());
        let outbox = self
            .outbox
            .differs(&state.outbox())
            .then(|| "the outbox".to_owned());
        timeline.or(channels).or(outbox).or(self.shelf.differs())
    }
}

/// Opens the channel list with its first rows. `has_more`: as given, or as the store has it.
fn open_channels(
    state: &State,
    device: &Device,
    rows: usize,
    has_more: Option<bool>,
) -> Result<ChannelList, Violation> {
    let list = state.open_channels(&device.query);
    extend_channels(state, &device.store, &list, rows, has_more)?;
    Ok(list)
}

/// Adds the next rows to a list. `has_more`: as given, or as the store has it.
pub(super) fn extend_channels(
    state: &State,
    store: &MemoryStore,
    list: &ChannelList,
    rows: usize,
    has_more: Option<bool>,
) -> Result<(), Violation> {
    let after = list.next_page();
    let mut page = or_broken(now_or(store.channels(
        list.query(),
        after.as_ref(),
        rows + 1,
        &state.people(),
    ))?)?;
    let more = page.len() > rows;
    page.truncate(rows);
    let page = page.into_iter().map(|row| with_members(state, store, row));
    let page = page.collect::<Result<Vec<_>, _>>()?;
    for cid in state.extend_channels(list, page, has_more.unwrap_or(more)) {
        if let Some(row) = or_broken(now_or(store.channel(&cid, &state.people()))?)? {
            state.put_channel(with_members(state, store, row)?);
        }
    }
    Ok(())
}

/// Reads a channel's row again, and shows it.
pub(super) fn put_channel(state: &State, store: &MemoryStore, cid: &ChannelId) -> Result<(), Violation> {
    match or_broken(now_or(store.channel(cid, &state.people()))?)? {
        Some(row) => state.put_channel(with_members(state, store, row)?),
        None => state.put_no_channel(cid),
    }
    Ok(())
}

/// Adds the members to a row, if an open list asks for them.
pub(super) fn with_members(
    state: &State,
    store: &MemoryStore,
    summary: ChannelSummary,
) -> Result<ChannelRow, Violation> {
    let mut row = ChannelRow::from(summary);
    if state.asks_for_members() {
        let members = or_broken(now_or(store.members(&row.summary.cid))?)?.into_iter();
        let active = members.filter(|member| member.state == MemberState::Active && member.ver > 0);
        row.members = Some(active.map(|member| member.user).collect());
    }
    Ok(row)
}

/// Returns where a place stands in the store.
pub(super) fn scope(place: &Place) -> MessageScope {
    place.1.map_or(MessageScope::Channel, MessageScope::Thread)
}

impl World {
    /// Opens the timeline of a channel or a thread with its newest page, or returns the open one.
    pub(super) fn timeline(&mut self, index: usize, place: &Place) -> Result<Option<Timeline>, Violation> {
        let limit = self.plan.screen;
        let device = &mut self.devices[index];
        let Some(run) = device.run.as_mut() else {
            return Ok(None);
        };
        if let Some(open) = run.views.timeline(place) {
            return Ok(Some(open.clone()));
        }
        let query = MessageQuery {
            limit,
            ..everything(&place.0, scope(place))
        };
        let page = or_broken(now_or(device.store.messages(&query))?)?;
        let page = weaken_rows(self.mutant, page);
        let open = run.state.open_timeline(place.0.clone(), scope(place), page);
        run.views.put(place.clone(), open.clone());
        run.views.shelf.open_pins(&run.state, &device.store, &place.0)?;
        Ok(Some(open))
    }

    /// Leaves every channel, or scrolls up where there is more on disk.
    pub(super) fn scroll(&mut self, index: usize, cid: &ChannelId) -> Result<(), Violation> {
        let place = (cid.clone(), None);
        if self.dice.per_mille(400)
            && let Some(run) = self.devices[index].run.as_mut()
        {
            run.views.timelines.clear();
            run.views.shelf.close_pins();
        }
        let Some(timeline) = self.timeline(index, &place)? else {
            return Ok(());
        };
        let device = &self.devices[index];
        let Some(run) = &device.run else { return Ok(()) };
        if timeline.edge() == OlderEdge::OnDisk {
            let page = or_broken(now_or(device.store.messages(&timeline.older(limits::PAGE_ROWS)))?)?;
            run.state.extend_older(&timeline, page);
            self.log.count("scrolled");
        }
        let device = &self.devices[index];
        let Some(run) = &device.run else { return Ok(()) };
        if run.views.list.has_more() {
            extend_channels(&run.state, &device.store, &run.views.list, 2, None)?;
            self.log.count("scrolled_channels");
        }
        Ok(())
    }

    /// The people at a device look at what is on its screens.
    pub(super) fn look(&mut self, index: usize) {
        let lose = self.mutant == Some(Mutant::DiffDropped) && self.dice.per_mille(20);
        if let Some(run) = self.devices[index].run.as_mut() {
            run.views.look(lose);
        }
    }

    /// C18, C8, C14: what was built by changes is what is there, is what a restart would show, and shows its gaps.
    pub(super) fn check_views(&mut self, index: usize) -> Result<(), Violation> {
        self.look(index);
        let device = &self.devices[index];
        let Some(run) = &device.run else { return Ok(()) };
        if let Some(what) = run.views.differs(&run.state) {
            return violated(
                "C18",
                format!("the changes of {what} did not make it, on {}", device.name),
            );
        }
        let loaded = or_broken(now_or(device.store.load())?)?;
        let fresh = State::new(device.user.clone(), loaded.outbox);
        put_account(&fresh, &device.store)?;
        for state in [&run.state, &fresh] {
            tell_time(state, &device.store, self.server_time())?;
        }
        if fresh.outbox() != run.state.outbox() {
            return violated("C8", format!("{} shows another outbox than it has", device.name));
        }
        let rows = if run.views.list.has_more() {
            run.views.list.loaded()
        } else {
            usize::MAX - 1
        };
        let list = open_channels(&fresh, device, rows, Some(run.views.list.has_more()))?;
        // With nothing loaded there is no last row to tell how far the list reaches.
        if rows > 0 {
            let (mut shown, again) = (run.views.list.items(), list.items());
            // A list reaches as far as the last row that was read stood then. Without that row, what waits may stand beyond the
            // last one that is there, and then a restart reads less of it.
            while list.has_more()
                && shown.len() > again.len()
                && shown.last().is_some_and(|item| item.pending > 0)
            {
                shown.pop_back();
            }
            if let Err(differs) = same(&device.name, "channels", &shown, &again) {
                let asked = device.query.filter().to_json();
                return violated(differs.invariant, format!("{}, asked for {asked}", differs.what));
            }
        }
        run.views
            .shelf
            .check(device, &run.state, &fresh, self.server_time())?;
        for (place, open) in &run.views.timelines {
            if place.1.is_none() {
                self.check_gaps(index, &place.0, &open.timeline)?;
            }
            let mut query = everything(&place.0, scope(place));
            if open.timeline.edge() != OlderEdge::Start {
                let items = open.timeline.items();
                query.limit = items.iter().filter(|item| item.view.message.seq > 0).count();
            }
            let page = or_broken(now_or(device.store.messages(&query))?)?;
            let again = fresh.open_timeline(place.0.clone(), scope(place), page);
            same(&device.name, "rows", &open.timeline.items(), &again.items())?;
        }
        Ok(())
    }

    /// C14: between two rows is a gap exactly where a message is missing on the device.
    fn check_gaps(&self, index: usize, cid: &ChannelId, timeline: &Timeline) -> Result<(), Violation> {
        let device = &self.devices[index];
        let loaded = or_broken(now_or(device.store.load())?)?;
        let ranges = loaded.ranges.get(cid).cloned().unwrap_or_default();
        let items = timeline.items();
        let accepted = items.iter().filter(|item| item.view.message.seq > 0);
        for (above, below) in accepted.clone().zip(accepted.skip(1)) {
            let (lo, hi) = (above.view.message.seq + 1, below.view.message.seq - 1);
            if below.gap_before && ranges.covers(lo, hi) {
                return violated(
                    "C14",
                    format!("{} shows a gap in {cid} that is none", device.name),
                );
            }
            if below.gap_before || self.ghost.restores > 0 {
                continue;
            }
            for id in (lo..=hi).filter_map(|seq| self.ghost.server.message_at(cid, seq)) {
                let here = or_broken(now_or(device.store.message(id))?)?;
                if here.is_none() {
                    return violated(
                        "C14",
                        format!("{} shows no gap in {cid} where {id} is missing", device.name),
                    );
                }
            }
        }
        Ok(())
    }
}
