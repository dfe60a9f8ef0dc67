//! Threads, drafts, totals of what is unread, and how a channel is kept.

use crate::{
    driver::Reader,
    world::{Action, World, action},
};
use proptest::prelude::*;
use whimbrel_query::{Endpoint, Query, Sort, field};
use whimbrel_state::UnreadTotals;

/// Lists by how channels are kept.
fn queries() -> [Query; 4] {
    let query = |filter, sort| Query::new(&Endpoint::CHANNELS, filter, sort).unwrap();
    [
        query(field("pinned").eq(true), Sort::by_descending("pinned_at")),
        query(field("archived").eq(false), Sort::by_id()),
        query(field("hidden").eq(true), Sort::by_id()),
        query(
            field("muted_until").exists(true),
            Sort::by_ascending("muted_until"),
        ),
    ]
}

fn sum(parts: impl IntoIterator<Item = UnreadTotals>) -> UnreadTotals {
    parts
        .into_iter()
        .fold(UnreadTotals::default(), |sum, part| UnreadTotals {
            messages: sum.messages + part.messages,
            mentions: sum.mentions + part.mentions,
            channels: sum.channels + part.channels,
            threads: sum.threads + part.threads,
            muted: sum.muted + part.muted,
            unknown: sum.unknown + part.unknown,
        })
}

fn obeys_the_laws(history: u8, actions: Vec<Action>) -> Result<(), TestCaseError> {
    let mut world = World::new(history);
    let lists = queries().map(|query| world.driver.open_query(&query, 1));
    let threads = world.driver.open_threads(2);
    let drafts = world.driver.open_drafts();
    let unread = world.driver.open_unread();
    let mut shown_threads = Reader::new(threads.subscribe());
    let mut shown_drafts = Reader::new(drafts.subscribe());
    for action in actions {
        for delta in world.act(&action) {
            world.driver.commit(delta);
        }
        if let Action::Extend(count) = action {
            world.driver.extend_threads(&threads, usize::from(count % 3));
            let list = &lists[usize::from(count) % lists.len()];
            world.driver.extend_channels(list, usize::from(count % 2));
        }
        shown_threads.read();
        shown_drafts.read();
        prop_assert_eq!(&shown_threads.list, &threads.items());
        prop_assert_eq!(&shown_drafts.list, &drafts.items());
        prop_assert_eq!(unread.totals(), world.driver.unread_anew());
        prop_assert_eq!(sum(unread.by_type().values().copied()), unread.totals());
        world.driver.anew(|anew| {
            prop_assert_eq!(anew.open_unread().totals(), unread.totals());
            prop_assert_eq!(&anew.open_drafts().items(), &drafts.items());
            let (all, shown) = (anew.open_threads(usize::MAX).items(), threads.items());
            prop_assert_eq!(&all.take(shown.len().min(all.len())), &shown);
            prop_assert!(threads.has_more() || all.len() == shown.len());
            for list in &lists {
                let (all, shown) = (anew.open_query(list.query(), usize::MAX).items(), list.items());
                prop_assert_eq!(
                    &all.take(shown.len().min(all.len())),
                    &shown,
                    "{:?}",
                    list.query().filter()
                );
                prop_assert!(list.has_more() || all.len() == shown.len());
            }
            Ok(())
        })?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn threads_drafts_and_totals_are_always_what_a_fresh_start_would_show(
        history in 0_u8..12,
        actions in proptest::collection::vec(action(1..=2), 1..60),
    ) {
        obeys_the_laws(history, actions)?;
    }
}
