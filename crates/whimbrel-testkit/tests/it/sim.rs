//! The simulator itself: a bounded run, replay, and that it can fail.
//!
//! What needs many schedules (rare mixes, every mutant) is `cargo xtask sim`.

use whimbrel_testkit::sim::{Cut, Mutant, Total, run, shrink, tell};

#[test]
fn no_schedule_breaks_an_invariant() {
    let total = Total::of(1, 300, None, 1);
    let failures: Vec<String> = total
        .failures
        .iter()
        .map(|(seed, violation)| format!("{violation}\nagain: cargo xtask sim --schedules 1 --seed {seed}"))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(total.schedules, 300);
    // A rare path may be missed in so few; those that carry everything may not.
    for path in [
        "accepted",
        "dedupe_replay",
        "rejected",
        "out_of_order",
        "event_gap",
        "reset",
        "restarted",
    ] {
        assert!(total.counters.get(path) > 0, "{path} was never reached");
    }
}

#[test]
fn a_seed_is_the_same_schedule_every_time() {
    for seed in [3, 17, 40] {
        let [one, other] = [0, 1].map(|_| tell(seed, None, &Cut::default()));
        assert!(one.story.len() > 50);
        assert_eq!(one.story, other.story);
        assert_eq!(one.counters, other.counters);
    }
    let [one, other] = [3, 4].map(|seed| tell(seed, None, &Cut::default()));
    assert_ne!(one.story, other.story);
}

#[test]
fn a_failure_is_told_smaller_than_it_was_found() {
    let found = Total::of(1, 100, Some(Mutant::NoGapCheck), 1);
    let (seed, _) = found.failures[0];
    let whole = tell(seed, Some(Mutant::NoGapCheck), &Cut::default());
    let small = shrink(seed, Some(Mutant::NoGapCheck));
    let broken = |outcome: &whimbrel_testkit::sim::Outcome| {
        outcome.violation.as_ref().map(|violation| violation.invariant)
    };
    assert_eq!(broken(&small.outcome), broken(&whole));
    assert!(small.outcome.story.len() < whole.story.len());
    assert!(run(seed, None, &Cut::default()).violation.is_none());
}

/// Checks that a mutant is caught within `schedules`, by one of these invariants.
fn is_caught(mutant: Mutant, schedules: u64, by: &[&str]) {
    let total = Total::of(1, schedules, Some(mutant), 1);
    let Some((_, violation)) = total.failures.first() else {
        panic!("{} survived {schedules} schedules", mutant.name());
    };
    assert!(
        by.contains(&violation.invariant),
        "{} was caught by {violation}",
        mutant.name()
    );
}

/// One test a mutant, so that each is named.
macro_rules! caught {
    ($($name:ident: $mutant:ident within $schedules:literal by $by:expr;)*) => {
        $(
            #[test]
            fn $name() {
                is_caught(Mutant::$mutant, $schedules, &$by);
            }
        )*
    };
}

caught! {
    a_server_that_forgets_operations_is_caught: NoDedup within 100 by ["S2", "S4"];
    results_that_expire_at_once_are_caught: ShortRetention within 100 by ["S2", "S4"];
    a_repeat_with_a_new_id_is_caught: RetryNewId within 100 by ["S2", "S4", "E4", "E5"];
    an_edit_of_what_has_left_is_caught: CoalesceAttempted within 200 by ["C3"];
    taking_back_what_has_left_is_caught: CancelAttempted within 300 by ["E7"];
    a_mark_that_is_not_on_disk_is_caught: AttemptNotPersisted within 20 by ["C3"];
    a_disk_that_lies_is_caught: ClientLazySync within 100 by ["C1", "E5", "L1"];
    a_cursor_before_its_rows_is_caught: CursorFirst within 100 by ["C8", "E3", "L1"];
    events_over_a_hole_are_caught: NoGapCheck within 100 by ["E3"];
    a_page_with_a_hole_is_caught: VersionOutOfOrder within 50 by ["E3"];
    an_outbox_that_forgets_what_it_sent_is_caught: DropOnSend within 20 by ["C1", "E1"];
    an_answer_without_rows_is_caught: AckDropsEcho within 20 by ["C1"];
    a_list_without_the_outbox_is_caught: NoOverlay within 20 by ["C1", "C8"];
    an_answer_before_the_commit_is_caught: AckBeforeDurable within 100
        by ["E3", "E5", "E8", "L1", "S2", "S4", "S6"];
    a_server_that_does_not_look_at_the_order_is_caught: UnorderedPipeline within 200 by ["E4", "E5"];
    a_read_position_that_goes_back_is_caught: ReadLastWrite within 400 by ["E6"];
    heartbeats_without_heads_are_caught: NoHeartbeatHeads within 100 by ["E3"];
    a_restore_under_the_same_epoch_is_caught: RestoreKeepsEpoch within 200 by ["C8", "E2", "E3", "L1"];
    events_to_those_who_left_are_caught: FanOutToGone within 100 by ["E11"];
    pages_without_deletions_are_caught: FeedWithoutTombstones within 100 by ["E3"];
}
