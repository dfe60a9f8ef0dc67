//! What every server storage has to do, as a suite that each implementation runs.
//!
//! Implement [`Opener`] in the tests of the storage's crate, and call
//! [`storage_conformance!`](crate::storage_conformance) with it in a module of its own:
//!
//! ```
//! use std::sync::Arc;
//! use whimbrel_hub::{MemoryStorage, Storage};
//! use whimbrel_model::Epoch;
//! use whimbrel_testkit::conformance::storage::Opener;
//!
//! struct Memory(MemoryStorage);
//!
//! #[async_trait::async_trait]
//! impl Opener for Memory {
//!     async fn new() -> Self {
//!         Self(MemoryStorage::new(Epoch(7)))
//!     }
//!
//!     async fn open(&self) -> Arc<dyn Storage> {
//!         Arc::new(self.0.clone())
//!     }
//! }
//!
//! mod conformance {
//!     whimbrel_testkit::storage_conformance!(super::Memory);
//! }
//! # fn main() {}
//! ```
//!
//! Most of it compares with [`MemoryStorage`](whimbrel_hub::MemoryStorage), which the hub's own tests check against the rules: seeded groups of
//! requests are applied to both, and every answer, page, list of heads and history has to be equal. Power loss is not
//! asserted: only the storage's own tests can cut the power under it.

pub mod cases;
pub mod devices;
mod pair;
pub mod parcels;
pub mod presence;
pub mod questions;
mod script;
pub mod search;

pub use script::Script;

use async_trait::async_trait;
use std::sync::Arc;
use whimbrel_hub::Storage;

/// A place for one database.
#[async_trait]
pub trait Opener: Send + Sync + Sized {
    /// Makes the place, with nothing in it.
    async fn new() -> Self;

    /// Opens the database there, with what was committed to it before. The one that was opened before is closed.
    async fn open(&self) -> Arc<dyn Storage>;
}

/// Runs every case of [`conformance::storage::cases`](crate::conformance::storage::cases) as a test of its own, on the type that is
/// given, which implements [`Opener`](crate::conformance::storage::Opener). The calling crate needs tokio with
/// `macros` and `rt`.
#[macro_export]
macro_rules! storage_conformance {
    ($opener:ty) => {
        $crate::storage_conformance! { @cases $opener,
            random_groups_are_answered_as_in_memory
            everything_is_there_after_reopening
            long_feeds_page_as_in_memory
            what_changes_during_a_snapshot_is_in_it
            pages_of_large_rows_are_cut_to_fit_a_frame
            heads_that_move_between_pages_are_not_missed
            who_may_not_see_is_refused
            pruning_forgets_results_and_keeps_what_rows_record
            readers_see_whole_groups
            a_cursor_that_makes_no_sense_gets_a_reset
            a_token_that_makes_no_sense_gets_everything
            a_closed_storage_says_so
        }
        $crate::storage_conformance! { @parcels $opener,
            a_parcel_grows_part_by_part
            a_large_part_comes_out_as_it_went_in
            another_parcel_of_a_device_takes_the_place_of_its_last
            parcels_that_nobody_wants_are_dropped
            parcels_of_an_account_are_bounded
            what_devices_ask_of_one_another_is_read
        }
        $crate::storage_conformance! { @presence $opener,
            what_presence_needs_is_read_as_in_memory
            when_users_were_seen_last_is_kept_beside_the_streams
        }
        $crate::storage_conformance! { @devices $opener,
            devices_are_listed_with_when_they_were_seen
            a_device_is_behind_by_what_heads_would_name
            who_may_be_woken_is_read_as_in_memory
            devices_that_were_revoked_long_ago_are_deleted
            an_account_has_so_many_devices_at_a_time
        }
        $crate::storage_conformance! { @questions $opener,
            questions_are_answered_as_in_memory
            a_question_looks_at_so_much_and_no_more
            questions_that_may_not_be_asked_are_refused
        }
        $crate::storage_conformance! { @search $opener,
            searches_find_what_is_found_in_memory
            a_search_says_which_channels_it_left_out
            searches_that_make_no_sense_are_refused
        }
    };
    (@search $opener:ty, $($case:ident)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                $crate::conformance::storage::search::$case::<$opener>().await;
            }
        )*
    };
    (@presence $opener:ty, $($case:ident)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                $crate::conformance::storage::presence::$case::<$opener>().await;
            }
        )*
    };
    (@devices $opener:ty, $($case:ident)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                $crate::conformance::storage::devices::$case::<$opener>().await;
            }
        )*
    };
    (@parcels $opener:ty, $($case:ident)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                $crate::conformance::storage::parcels::$case::<$opener>().await;
            }
        )*
    };
    (@questions $opener:ty, $($case:ident)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                $crate::conformance::storage::questions::$case::<$opener>().await;
            }
        )*
    };
    (@cases $opener:ty, $($case:ident)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                $crate::conformance::storage::cases::$case::<$opener>().await;
            }
        )*
    };
}
