//! The conformance suite of [`Store`](whimbrel_store::Store).
//!
//! ## How to run it on your own store
//!
//! In one file of your crate's `tests/`:
//!
//! ```
//! use std::{collections::HashMap, path::PathBuf, sync::{Arc, LazyLock, Mutex}};
//! use whimbrel_store::{MemoryStore, Store};
//!
//! // A store on disk opens `dir.join("chat.db")`; this one keeps a "disk" of its own.
//! static DISK: LazyLock<Mutex<HashMap<PathBuf, MemoryStore>>> = LazyLock::new(Mutex::default);
//!
//! whimbrel_testkit::store_conformance!(|dir: PathBuf| async move {
//!     let mut disk = DISK.lock().unwrap();
//!     Arc::new(disk.entry(dir).or_default().reopen()) as Arc<dyn Store>
//! });
//! # fn main() {}
//! ```
//!
//! The macro takes a closure that opens the database in a directory, new or not: the suite closes stores and opens the
//! same directory again, and expects everything to be there. It becomes one `#[tokio::test]` per case, so the crate
//! needs `tokio` with `macros` among its dev-dependencies. Each case gets a directory of its own.
//!
//! The suite does not show that what was committed survives power loss: no test can without pulling a plug.

#![expect(
    clippy::unwrap_used,
    reason = "these are tests, and a panic is how a test fails"
)]

mod device;
mod fixture;
mod list;
mod local;
mod model;
mod people;
mod query;
mod random;
mod receipts;
mod rows;
mod sample;
mod search;
mod threads;
mod timeline;
mod unread;

pub use device::*;
pub use fixture::StoreFixture;
pub use list::*;
pub use local::{
    a_transfer_is_kept_with_its_bytes_until_it_is_over, local_settings_are_set_replaced_and_removed,
};
pub use people::*;
pub use query::{
    channels_are_found_by_what_they_are, queries_find_what_the_evaluator_finds,
    what_is_no_query_of_channels_is_refused,
};
pub use random::*;
pub use receipts::{
    what_has_not_reached_the_account_is_told_at_start, what_has_reached_whom_is_read_by_user,
};
pub use rows::*;
pub use search::*;
pub use threads::*;
pub use timeline::*;
pub use unread::*;

/// Makes one test of each case of the suite, for the store that the closure opens.
///
/// See [`conformance::store`](crate::conformance::store) for how to use it.
#[macro_export]
macro_rules! store_conformance {
    ($open:expr) => {
        $crate::store_conformance!(@cases $open =>
            a_new_store_is_empty,
            the_account_is_set_once,
            a_cursor_is_replaced_with_and_without_a_window,
            a_head_only_rises,
            an_unfollowed_stream_has_no_cursor_and_no_head,
            ranges_are_replaced,
            the_heads_token_is_replaced,
            an_outbox_item_is_put_updated_and_removed,
            the_outbox_is_read_in_order_of_position,
            a_rejected_item_keeps_its_content,
            later_changes_of_one_delta_win,
            a_delta_is_applied_as_a_whole_or_not_at_all,
            a_closed_store_says_so,
            a_suspended_store_goes_on_when_it_is_resumed,
            a_deleted_store_leaves_nothing,
            concurrent_applies_all_happen,
            an_older_row_of_any_kind_never_replaces_a_newer_one,
            a_newer_row_of_any_kind_replaces_an_older_one,
            applying_twice_changes_nothing,
            the_newest_of_several_copies_in_one_delta_stays,
            rows_come_back_as_they_were_put,
            a_rebased_channel_takes_any_row_of_the_new_history,
            a_rebased_user_stream_takes_any_row_of_the_new_history,
            a_rebase_leaves_other_streams_alone,
            rows_before_and_after_a_rebase_in_one_delta_keep_their_order,
            many_rows_in_one_delta_all_arrive,
            users_are_read_by_id_and_once,
            a_window_is_the_newest_before_a_sequence,
            a_window_knows_whether_there_is_more,
            a_window_is_around_any_place,
            a_time_is_found_among_any_messages,
            the_timeline_leaves_thread_only_replies_out,
            a_thread_has_its_replies_and_not_its_parent,
            replies_are_counted_without_deleted_ones,
            reactions_come_with_their_messages,
            tombstones_stay_in_the_timeline,
            a_window_tells_the_ranges_even_without_messages,
            messages_of_a_lost_history_are_not_shown,
            channels_are_listed_by_newest_message,
            the_channel_list_is_paged,
            a_left_channel_is_not_listed_and_can_be_read,
            a_channel_with_only_a_membership_is_listed,
            an_unknown_channel_is_nothing,
            unread_counts_what_others_wrote_past_the_read_position,
            unread_follows_edits_of_the_log,
            what_was_read_of_a_lost_history_does_not_count,
            members_of_a_lost_history_are_not_counted,
            a_summary_counts_active_members,
            a_summary_knows_the_newest_sequence,
            the_last_message_follows_the_log,
            queries_find_what_the_evaluator_finds,
            channels_are_found_by_what_they_are,
            what_is_no_query_of_channels_is_refused,
            unread_is_counted_past_a_read_position_that_waits,
            of_waiting_read_positions_the_furthest_counts,
            a_read_position_can_wait_where_the_server_has_none,
            messages_that_are_missing_past_the_read_position_are_told,
            a_read_position_that_went_back_keeps_the_furthest,
            unread_mentions_are_counted,
            silent_messages_are_never_unread,
            what_silent_people_wrote_counts_as_unread_nowhere,
            consent_is_of_the_channel_else_of_who_brought_the_account_in,
            threads_that_are_followed_are_listed_by_newest_reply,
            the_list_of_threads_is_paged,
            threads_of_left_channels_and_lost_histories_are_not_listed,
            unread_replies_are_counted_past_the_position_in_the_thread,
            replies_that_are_missing_are_told,
            a_thread_is_read_without_an_account,
            read_positions_in_threads_are_apart,
            pinned_messages_are_read_by_when_they_were_pinned,
            drafts_are_read_newest_first,
            an_empty_draft_is_none,
            messages_are_found_by_their_words,
            searches_follow_edits_and_deletions,
            messages_of_a_lost_history_are_not_found,
            channels_that_were_left_are_not_searched,
            a_search_is_narrowed,
            a_search_is_paged,
            a_place_of_no_search_is_refused,
            what_has_reached_whom_is_read_by_user,
            what_has_not_reached_the_account_is_told_at_start,
            local_settings_are_set_replaced_and_removed,
            a_transfer_is_kept_with_its_bytes_until_it_is_over,
        );

        #[test]
        fn random_deltas_read_like_the_naive_model() {
            $crate::conformance::store::random_deltas_read_like_the_naive_model($open);
        }

        #[test]
        fn searches_find_what_the_evaluator_finds() {
            $crate::conformance::store::searches_find_what_the_evaluator_finds($open);
        }
    };
    (@cases $open:expr => $($case:ident),* $(,)?) => {$(
        #[tokio::test]
        async fn $case() {
            let fixture = $crate::conformance::store::StoreFixture::open($open).await;
            $crate::conformance::store::$case(fixture).await;
        }
    )*};
}
