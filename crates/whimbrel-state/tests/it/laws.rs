//! Laws that hold after any sequence of deltas.

use crate::{
    disk::{Disk, cid, in_scope, user},
    driver::{Driver, Reader, read_receipts},
    receipts,
    world::{Action, World, action},
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use whimbrel_model::{
    ChannelId, HistoryFrom, Message, MessageId, MessageQuery, MessageScope, RangeSet, overlay,
};
use whimbrel_query::{Endpoint, Filter, Query, Sort, field};
use whimbrel_state::{Items, Timeline, TimelineItem};

/// A timeline under test: every snapshot is checked, and every batch of diffs applied.
struct Watched {
    timeline: Timeline,
    reader: Reader<TimelineItem>,
}

impl Watched {
    fn new(timeline: Timeline) -> Self {
        let reader = Reader::new(timeline.subscribe());
        Self { timeline, reader }
    }

    /// C18 and C1, which hold after each single step.
    fn check_step(&mut self, disk: &Disk, alive: &BTreeSet<MessageId>) -> Result<(), TestCaseError> {
        self.reader.read();
        let items = self.timeline.items();
        prop_assert_eq!(&self.reader.list, &items);
        let ids: BTreeSet<_> = items.iter().map(|item| item.id()).collect();
        prop_assert_eq!(ids.len(), items.len(), "a message has two rows");
        let (low, high) = self.timeline.span();
        let (cid, scope) = (self.timeline.cid(), self.timeline.scope());
        let here = |row: &Message| row.cid == *cid && in_scope(scope, row);
        let rows = disk
            .all_messages()
            .filter(|row| here(row) && (low..=high).contains(&row.seq))
            .map(|row| row.id);
        let sent = disk
            .outbox
            .values()
            .filter(|_| high == u64::MAX)
            .filter_map(|item| {
                let view = overlay::message(None, [item])?;
                here(&view.message).then_some(view.message.id)
            });
        for id in rows.chain(sent).filter(|id| alive.contains(id)) {
            prop_assert!(ids.contains(&id), "the own message {id} vanished");
        }
        Ok(())
    }

    /// C8 and C14, which hold once the driver has read again what was stale.
    fn check(&self, driver: &Driver) -> Result<(), TestCaseError> {
        let items = self.timeline.items();
        let (cid, scope) = (self.timeline.cid(), self.timeline.scope());
        prop_assert_eq!(
            &plain(&items),
            &expected(&driver.disk, cid, scope, self.timeline.span())
        );
        let accepted = items.iter().filter(|item| item.view.message.seq > 0).count();
        let query = MessageQuery {
            cid: cid.clone(),
            scope,
            from: match self.timeline.span() {
                (_, u64::MAX) => HistoryFrom::Newest,
                (low, _) => HistoryFrom::After(low.saturating_sub(1)),
            },
            limit: accepted.max(1),
        };
        let state = driver.fresh();
        let fresh = state.open_timeline_at(cid.clone(), scope, driver.disk.messages(&query));
        read_receipts(&state, &driver.disk);
        prop_assert_eq!(&fresh.items(), &items);
        prop_assert_eq!(fresh.edge(), self.timeline.edge());
        prop_assert_eq!(fresh.newer_edge(), self.timeline.newer_edge());
        prop_assert_eq!(self.timeline.is_at_newest(), self.timeline.span().1 == u64::MAX);
        Ok(())
    }
}

fn plain(items: &Items<TimelineItem>) -> Vec<TimelineItem> {
    items.iter().map(|item| TimelineItem::clone(item)).collect()
}

/// The rows of a timeline, computed in the plainest way.
fn expected(disk: &Disk, cid: &ChannelId, scope: MessageScope, (low, high): (u64, u64)) -> Vec<TimelineItem> {
    let stored: BTreeMap<_, _> = disk
        .all_messages()
        .filter(|row| row.cid == *cid && (low..=high).contains(&row.seq))
        .map(|row| (row.id, row))
        .collect();
    let ids: BTreeSet<_> = stored
        .keys()
        .copied()
        .chain(disk.outbox.values().filter_map(|item| item.op.message()))
        .collect();
    let mut found = Vec::new();
    for id in ids {
        let row = stored.get(&id).copied();
        let ops: Vec<_> = disk
            .outbox
            .values()
            .filter(|item| item.op.message() == Some(id))
            .collect();
        let Some(view) = overlay::message(row, ops.iter().copied()) else {
            continue;
        };
        if view.message.cid != *cid || !in_scope(scope, &view.message) {
            continue;
        }
        let reactions = disk
            .all_reactions()
            .filter(|reaction| row.is_some() && reaction.message == id);
        let reactions = overlay::reactions(reactions, ops.iter().copied(), &user("ada"));
        let replies = if row.is_some() { disk.replies(id) } else { 0 };
        let order = match view.message.seq {
            0 if high < u64::MAX => continue,
            0 => (1, ops.iter().map(|item| item.pos).min().unwrap_or(0)),
            seq => (0, seq),
        };
        found.push((
            order,
            TimelineItem {
                receipt: receipts::expected(disk, &view),
                hidden: disk.people.is_denied(&view.message.author),
                view,
                reactions,
                replies,
                gap_before: false,
            },
        ));
    }
    found.sort_by_key(|(order, _)| *order);
    let none = RangeSet::default();
    let ranges = disk.ranges.get(cid).unwrap_or(&none);
    let mut above = None;
    for (_, item) in &mut found {
        let seq = item.view.message.seq;
        if seq > 0 {
            item.gap_before = above.is_some_and(|above| (above + 1..seq).any(|seq| !ranges.covers(seq, seq)));
            above = Some(seq);
        }
    }
    found.into_iter().map(|(_, item)| item).collect()
}

/// The usual list, and others: by what the outbox changes, and by what it does not.
fn queries() -> [Query; 6] {
    let query = |filter, sort| Query::new(&Endpoint::CHANNELS, filter, sort).unwrap();
    [
        Query::channel_list(),
        query(Filter::everything(), Sort::by_id()),
        query(field("has_unread").eq(true), Sort::by_descending("unread_count")),
        query(field("name").exists(true), Sort::by_ascending("name")),
        query(
            field("members").contains("bob"),
            Sort::by_descending("member_count"),
        ),
        query(field("role").exists(true), Sort::by_ascending("last_updated")),
    ]
}

/// Where timelines begin.
#[derive(Clone, Copy, Debug)]
struct Start {
    history: u8,
    /// Rows that are read at first.
    limit: usize,
    /// Where the second one begins.
    place: u64,
    /// Rows that are kept.
    rows: usize,
}

/// Loads more into a timeline on either side, or shows another place in it.
fn scroll(driver: &Driver, timeline: &Timeline, count: u8) {
    let more = usize::from(count % 8) + 1;
    match count / 16 {
        0..=4 => driver.extend(timeline, more),
        5..=7 => driver.extend_newer(timeline, more),
        8..=10 => driver.extend_newer(timeline, 10 * more),
        11..=13 => driver.move_to(timeline, u64::from(count % 32), more),
        _ => driver.move_to(timeline, u64::MAX, more),
    }
}

fn obeys_the_laws(start: Start, actions: Vec<Action>, queries: &[Query]) -> Result<(), TestCaseError> {
    let Start { history, limit, .. } = start;
    let mut world = World::with_window(history, start.rows);
    let mut timelines = vec![
        Watched::new(world.driver.open(&cid("a"), limit)),
        Watched::new(world.driver.open_at(&cid("a"), start.place, limit)),
    ];
    if let Some(parent) = world.newest.values().next() {
        let scope = MessageScope::Thread(parent.id);
        timelines.push(Watched::new(world.driver.open_scope(&cid("a"), scope, limit)));
    }
    let lists: Vec<_> = queries
        .iter()
        .map(|query| world.driver.open_query(query, 2))
        .collect();
    let mut rows: Vec<_> = lists.iter().map(|list| Reader::new(list.subscribe())).collect();
    let unread = world.driver.open_unread();
    for action in actions {
        for delta in world.act(&action) {
            let (mut result, alive) = (Ok(()), &world.alive);
            world.driver.commit_observed(delta, |disk| {
                for watched in &mut timelines {
                    let checked = watched.check_step(disk, alive);
                    result = std::mem::replace(&mut result, Ok(())).and(checked);
                }
            });
            result?;
        }
        if let Action::Extend(count) = action {
            scroll(
                &world.driver,
                &timelines[usize::from(count / 8 % 2)].timeline,
                count,
            );
            let list = &lists[usize::from(count) % lists.len()];
            world.driver.extend_channels(list, usize::from(count % 2));
            for watched in &mut timelines {
                watched.check_step(&world.driver.disk, &world.alive)?;
            }
        }
        for watched in &timelines {
            watched.check(&world.driver)?;
        }
        for (rows, list) in rows.iter_mut().zip(&lists) {
            rows.read();
            prop_assert_eq!(&rows.list, &list.items());
        }
        prop_assert_eq!(
            unread.totals(),
            world.driver.unread_anew(),
            "E13: the sums of a recount"
        );
        let shown = world.driver.state.account();
        world.driver.anew(|fresh| {
            prop_assert_eq!(fresh.state.account(), shown);
            for list in &lists {
                let all = fresh.open_query(list.query(), usize::MAX).items();
                let shown = list.items();
                prop_assert_eq!(&all.take(shown.len()), &shown, "{:?}", list.query().filter());
                prop_assert!(
                    list.has_more() || all.len() == shown.len(),
                    "{:?}",
                    list.query().filter()
                );
            }
            Ok(())
        })?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]
    #[test]
    fn what_is_shown_is_always_what_a_fresh_start_would_show(
        history in 0_u8..40,
        limit in 1_usize..20,
        place in 0_u64..45,
        actions in proptest::collection::vec(action(1..=3), 1..50),
    ) {
        let start = Start { history, limit, place, rows: 500 };
        obeys_the_laws(start, actions, &queries())?;
    }

    #[test]
    fn the_same_holds_in_a_small_window(
        limit in 1_usize..20,
        (place, rows) in (0_u64..80, 1_usize..10),
        actions in proptest::collection::vec(action(1..=20), 1..50),
    ) {
        let start = Start { history: 60, limit, place, rows };
        obeys_the_laws(start, actions, &queries()[..1])?;
    }
}

/// Mostly many messages in one channel, and all of them coming in.
fn flood() -> impl Strategy<Value = Action> {
    let send = (120_u8..=200).prop_map(|burst| Action::RemoteSend {
        channel: 0,
        thread: None,
        burst,
    });
    prop_oneof![2 => send, 2 => Just(Action::CatchUp), 3 => action(1..=3)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn the_same_holds_when_the_window_overflows(
        limit in 1_usize..200,
        place in 0_u64..250,
        actions in proptest::collection::vec(flood(), 1..32),
    ) {
        let start = Start { history: 200, limit, place, rows: 500 };
        obeys_the_laws(start, actions, &queries()[..1])?;
    }
}
