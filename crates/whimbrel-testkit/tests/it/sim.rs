//! The simulator itself: a bounded run, replay, and that it can fail.
//!
//! What needs many schedules (rare mixes, every mutant) is `cargo xtask sim`.

use whimbrel_testkit::sim::{Cut, Day, Mutant, Total, day, herd, run, shrink, tell};

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
    let found = Total::of(1, 30, Some(Mutant::NoGapCheck), 5);
    let told = found.failures.iter().map(|(seed, _)| {
        let whole = tell(*seed, Some(Mutant::NoGapCheck), &Cut::default());
        (*seed, whole)
    });
    // What fails at once cannot be told in fewer words.
    let (seed, whole) = told.max_by_key(|(_, whole)| whole.story.len()).unwrap();
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
    a_repeat_with_a_new_id_is_caught: RetryNewId within 100 by ["C5", "S2", "S4", "E4", "E5"];
    an_edit_of_what_has_left_is_caught: CoalesceAttempted within 200 by ["C3"];
    taking_back_what_has_left_is_caught: CancelAttempted within 300 by ["E5", "E7"];
    a_mark_that_is_not_on_disk_is_caught: AttemptNotPersisted within 20 by ["C3"];
    a_disk_that_lies_is_caught: ClientLazySync within 100 by ["C1", "E2", "E5", "L1"];
    a_cursor_before_its_rows_is_caught: CursorFirst within 100 by ["C8", "E3", "L1"];
    events_over_a_hole_are_caught: NoGapCheck within 50 by ["C7"];
    a_page_with_a_hole_is_caught: VersionOutOfOrder within 50 by ["S8"];
    an_older_row_over_a_newer_one_is_caught: NoVersionGuard within 400 by ["C8", "E3"];
    an_outbox_that_forgets_what_it_sent_is_caught: DropOnSend within 20 by ["C1", "E1"];
    // What the device did is not on it: the first thing that it does is to register itself.
    an_answer_without_rows_is_caught: AckDropsEcho within 20 by ["C1", "E3"];
    a_list_without_the_outbox_is_caught: NoOverlay within 20 by ["C1", "C2", "C8"];
    an_answer_before_the_commit_is_caught: AckBeforeDurable within 100 by ["S2", "S3", "S4", "S6", "S8"];
    a_server_that_does_not_look_at_the_order_is_caught: UnorderedPipeline within 300 by ["S10"];
    a_read_position_that_goes_back_is_caught: ReadLastWrite within 200 by ["S11"];
    heartbeats_without_heads_are_caught: NoHeartbeatHeads within 100 by ["E3", "L4"];
    a_restore_under_the_same_epoch_is_caught: RestoreKeepsEpoch within 300 by ["C8", "E2", "E3", "L1", "S13"];
    events_to_those_who_left_are_caught: FanOutToGone within 100 by ["E11"];
    pages_without_deletions_are_caught: FeedWithoutTombstones within 100 by ["S8"];
    pages_without_removals_are_caught: FeedWithoutRemovals within 100 by ["S8"];
    pages_that_begin_with_a_return_are_caught: PageFromRejoin within 100 by ["S8"];
    pages_to_those_who_left_are_caught: PagesToGone within 100 by ["S9"];
    a_cursor_of_another_history_is_caught: NoReset within 20 by ["S13"];
    a_deleted_message_that_is_told_is_caught: DeletedTextServed within 100 by ["S12"];
    a_barrier_that_does_not_wait_is_caught: BarrierAtOnce within 300 by ["L4"];
    a_rejection_that_is_dropped_is_caught: RefusalDropped within 100 by ["C4", "C10"];
    a_rejection_that_counts_as_success_is_caught: RejectionAsSuccess within 50 by ["C1", "E1"];
    what_waits_for_a_rejected_operation_for_ever_is_caught: ParentNotParked within 200 by ["C5", "L1"];
    a_wait_that_is_ignored_is_caught: RetryAfterIgnored within 100 by ["C12"];
    an_edit_over_a_change_of_access_is_caught: FoldAcrossAccess within 400 by ["C4"];
    a_deletion_of_what_others_need_is_caught: AnnihilateNeeded within 400 by ["C4"];
    a_read_position_that_is_folded_back_is_caught: ReadFoldSmaller within 500 by ["C2", "C4", "E8"];
    an_epoch_that_is_ignored_is_caught: ReadEpochIgnored within 100 by ["E6", "S4"];
    a_history_that_is_not_let_go_of_is_caught: RebaseForgotten within 200 by ["C8", "E2", "E3", "L1", "S11"];
    leaving_that_loses_messages_is_caught: UnfollowForgets within 100 by ["C1"];
    a_range_over_a_hole_is_caught: RangeTooWide within 300 by ["C14", "E3"];
    a_gap_that_is_not_shown_is_caught: GapUnmarked within 400 by ["C8", "C14"];
    a_token_of_somebody_else_is_caught: AccountUnchecked within 400 by ["C13"];
    a_change_that_a_screen_misses_is_caught: DiffDropped within 20 by ["C18"];
    a_draft_that_nobody_saw_and_is_lost_is_caught: DraftUnseenDropped within 400 by ["E16", "S4"];
    a_device_that_claims_to_have_seen_a_draft_is_caught: DraftSeenUnseen within 400 by ["E16"];
    a_deleted_reply_that_counts_is_caught: ReplyCountStays within 400 by ["S18"];
    a_read_position_of_a_thread_that_goes_back_is_caught: ThreadReadBack within 200 by ["S11"];
    a_channel_that_stays_hidden_is_caught: HiddenForGood within 100 by ["E18", "S4"];
    a_mute_that_a_snapshot_leaves_out_is_caught: MuteLost within 200 by ["C8", "E3"];
    a_second_distinct_channel_is_caught: DistinctTwice within 100 by ["E15", "S4", "S5"];
    a_silent_message_that_is_loud_is_caught: SilentLoud within 50 by ["E8", "S4"];
    a_channel_that_anyone_speaks_for_is_caught: SystemByAnyone within 50 by ["E8", "S4", "S9"];
    a_setting_that_is_folded_away_is_caught: SettingsFoldForgets within 100 by ["C4", "E8"];
    a_pin_that_an_edit_takes_away_is_caught: PinForgotten within 200 by ["C8", "E3"];
    private_rows_that_go_to_everybody_are_caught: PrivateRowsLeak within 100 by ["S19"];
    a_device_that_was_shut_out_and_goes_on_is_caught: RevokedGoesOn within 400 by ["L1", "S21"];
    a_mark_before_its_rows_are_on_disk_is_caught: MarkBeforeCommit within 100 by ["S20"];
    a_lost_mark_that_is_not_said_again_is_caught: MarkNotRepeated within 200 by ["L1", "L5"];
    a_register_of_the_last_mark_is_caught: DeliveredLastWrite within 200 by ["S11", "E6", "S4"];
    settings_that_are_reset_by_a_change_are_caught: SettingsForgotten within 200 by ["E19", "E6", "S19", "S4"];
    an_invitation_that_cannot_be_rejected_is_caught: InviteForced within 200 by ["E20", "S4"];
    a_contact_that_no_device_hears_of_is_caught: ContactLost within 100 by ["E3"];
    consent_that_a_snapshot_leaves_out_is_caught: ConsentLost within 100 by ["E3", "C8"];
    a_device_that_is_forgotten_when_it_says_something_is_caught: DeviceForgotten within 400 by ["E19", "S4"];
    a_denied_channel_that_is_followed_is_caught: DeniedFollowed within 400 by ["E22"];
    a_lease_that_never_ends_is_caught: LeaseForEver within 2_000 by ["P1", "P4"];
    somebody_invisible_who_is_seen_is_caught: InvisibleSeen within 200 by ["P3", "P4"];
    somebody_online_since_before_the_server_is_caught: OnlineAfterCrash within 200 by ["P2", "P4"];
}

/// In the evening each list is what the server's rows, a new device and the server's own answer say. `cargo xtask sim --day` has a
/// thousand devices.
#[test]
fn after_a_day_fifty_lists_are_the_servers_answers() {
    let total = day(Day::of(1, 50)).unwrap();
    assert_eq!((total.devices, total.lists), (50, 100));
    // Else it says little: different queries, with something in them, that leave something out.
    assert!(total.queries >= 15, "{total:?}");
    assert!(total.rows >= 250, "{total:?}");
    assert!(total.partial >= 15, "{total:?}");
    assert!(total.answers >= 50, "{total:?}");
    for path in [
        "restarted",
        "event_lost",
        "event_gap",
        "unfollow",
        "server_stopped",
    ] {
        assert!(total.counters.get(path) > 0, "{path} was never reached");
    }
}

#[test]
fn a_day_is_the_same_every_time() {
    let [one, other] = [0, 1].map(|_| day(Day::of(5, 20)).unwrap());
    assert_eq!(one, other);
}

#[test]
fn a_day_without_heads_leaves_lists_behind() {
    let broken = day(Day {
        mutant: Some(Mutant::NoHeartbeatHeads),
        ..Day::of(2, 50)
    });
    let violation = broken.unwrap_err();
    assert!(["E3", "E14", "L1"].contains(&violation.invariant), "{violation}");
}

/// L3: nobody storms a server that comes back.
#[test]
fn forty_devices_come_back_spread_and_soon() {
    for (seed, goodbye) in [(1, true), (2, true), (3, false), (4, false)] {
        let herd = herd(seed, 10, goodbye).unwrap();
        assert_eq!(herd.devices, 40);
        assert!(herd.connects.len() >= 40, "{herd:?}");
        assert!(herd.synced_ms <= 90_000, "{herd:?}");
        assert!(herd.synced_ms > 0, "{herd:?}");
        let at_once = |at: &u64| {
            let together = herd
                .connects
                .iter()
                .filter(|other| (*at..at + 100).contains(*other));
            together.count()
        };
        let most = herd.connects.iter().map(at_once).max();
        assert!(most <= Some(20), "{most:?} in a tenth of a second: {herd:?}");
    }
}
