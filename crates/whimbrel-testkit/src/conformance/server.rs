//! What every server has to do, as a suite that runs against a running one, of any make and in any language.
//!
//! It speaks the protocol and knows nothing else: everything in it is promised by `docs/PROTOCOL.md`. It needs a way to
//! connect, three users with a token each, and nothing to be cleaned up before or after: it makes channels with new ids.
//! `cargo xtask conformance --server URL` runs it from the command line.
//!
//! ```
//! use whimbrel_model::UserId;
//! use whimbrel_testkit::{conformance::server::{Target, run}, server::TestServer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = TestServer::new();
//! let person = |user: &str| Ok::<_, whimbrel_model::Invalid>((UserId::new(user)?, format!("user:{user}").into()));
//! let people = [person("ada")?, person("bob")?, person("carol")?];
//! // For a server somewhere else: whimbrel_transport_ws::WsConnector::new("wss://chat.example.org/v1/socket")?
//! let report = run(&Target::new(server.connector(), people)).await;
//! assert!(report.passed(), "{report}");
//! # Ok(())
//! # }
//! ```
//!
//! ## What it does not assert
//!
//! - That an answer survives power loss: no client can see that.
//! - That results are forgotten after `retention_days`, and that a token ends a connection when it expires: both take too
//!   long. That silence ends a connection is asserted if the server's heartbeat is 3 s or less.
//! - Texts of messages to people, and anything about HTTP beside the socket.
//! - What a server must not send within a time is looked for only until the next thing that it has to send.

/// Ends a case with words, unless something holds.
macro_rules! ensure {
    ($holds:expr, $($words:tt)+) => {
        if !$holds {
            return Err($crate::conformance::server::Problem::Failed(format!($($words)+)));
        }
    };
}

mod beside;
mod devices;
mod feed;
mod handshake;
mod live;
mod members;
mod ops;
mod peer;
mod questions;
mod receipts;
mod repeat;
mod script;

use futures_util::future::BoxFuture;
use std::{fmt, sync::Arc, time::Duration};
use whimbrel_model::UserId;
use whimbrel_protocol::Token;
use whimbrel_transport::Connector;

/// How long an answer may take, unless told otherwise. A server on a busy machine takes milliseconds.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The server under test.
#[derive(Clone, Debug)]
pub struct Target {
    connector: Arc<dyn Connector>,
    people: [(UserId, Token); 3],
    expired: Option<Token>,
    patience: Duration,
}

impl Target {
    /// Takes a way to connect, and three different users with a token that is good for an hour at least.
    ///
    /// The connector should send frames of more than 1 MiB if it is told to, or the case about them proves less.
    #[must_use]
    pub fn new(connector: Arc<dyn Connector>, people: [(UserId, Token); 3]) -> Self {
        Self {
            connector,
            people,
            expired: None,
            patience: PATIENCE,
        }
    }

    /// Sets a token of the first user that has expired. Without one, the case about it is skipped.
    #[must_use]
    pub fn expired_token(mut self, token: Token) -> Self {
        self.expired = Some(token);
        self
    }

    /// Sets how long an answer may take. It is [`PATIENCE`] otherwise.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}

/// What became of each case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The cases, in the order of [`case_names`].
    pub cases: Vec<Case>,
}

/// What became of one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// What has to be, as a sentence.
    pub name: &'static str,
    /// Whether it is.
    pub verdict: Verdict,
}

/// Whether a case holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Passed,
    /// It does not; what the server did instead, in words.
    Failed(String),
    /// It was not looked at; why, in words.
    Skipped(String),
}

impl Report {
    /// Returns whether no case failed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failed().next().is_none()
    }

    /// Returns the names of the cases that failed.
    pub fn failed(&self) -> impl Iterator<Item = &'static str> {
        let failed = |case: &&Case| matches!(case.verdict, Verdict::Failed(_));
        self.cases.iter().filter(failed).map(|case| case.name)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Case { name, verdict } in &self.cases {
            match verdict {
                Verdict::Passed => writeln!(f, "passed   {name}")?,
                Verdict::Failed(words) => writeln!(f, "FAILED   {name}\n         {words}")?,
                Verdict::Skipped(words) => writeln!(f, "skipped  {name}: {words}")?,
            }
        }
        let count = |is: fn(&Verdict) -> bool| self.cases.iter().filter(|case| is(&case.verdict)).count();
        let passed = count(|verdict| matches!(verdict, Verdict::Passed));
        let (failed, skipped) = (
            self.failed().count(),
            self.cases.len() - passed - self.failed().count(),
        );
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

/// Why a case has not passed.
#[derive(Clone, Debug)]
pub(crate) enum Problem {
    Failed(String),
    Skipped(String),
}

type Checked = Result<(), Problem>;
type Run = for<'a> fn(&'a script::World) -> BoxFuture<'a, Checked>;

macro_rules! cases {
    ($($module:ident: $($name:ident),* $(,)?;)*) => {
        const CASES: &[(&str, Run)] = &[$($((stringify!($name), |world| Box::pin($module::$name(world))),)*)*];
    };
}

cases! {
    handshake:
        hello_is_answered_with_ready,
        hello_comes_first,
        hello_is_said_once,
        a_missing_token_is_refused,
        a_wrong_token_is_refused,
        an_expired_token_is_refused,
        an_unknown_version_is_refused_with_the_range,
        unknown_fields_are_ignored,
        what_is_no_frame_ends_the_connection,
        a_frame_over_the_limit_ends_the_connection,
        too_many_operations_in_a_frame_are_refused,
        silence_ends_the_connection;
    ops:
        a_channel_and_a_message_come_back_as_rows,
        operations_of_a_frame_act_in_their_order,
        values_that_break_a_rule_are_rejected,
        what_is_not_there_is_not_found,
        who_is_not_in_a_channel_may_not_write,
        only_owners_change_the_channel_and_its_members,
        only_the_author_edits,
        what_changes_nothing_is_accepted_without_a_step,
        deletion_is_final,
        a_read_position_only_grows,
        marking_unread_wins_and_takes_no_receipt_back;
    repeat:
        a_repeat_gets_the_same_answer_and_acts_once,
        a_repeat_carries_the_current_rows,
        a_rejection_is_repeated_for_ever,
        an_id_with_another_content_is_op_conflict,
        ids_that_are_taken_are_id_conflict,
        an_operation_after_an_unseen_one_is_out_of_order,
        the_same_operation_on_two_connections_acts_once,
        an_answer_that_nobody_waited_for_was_given_all_the_same;
    feed:
        the_feed_from_nothing_is_everything,
        the_feed_from_a_cursor_is_what_changed_since,
        a_cursor_of_another_epoch_is_reset,
        a_cursor_ahead_of_the_server_is_reset,
        a_long_feed_comes_in_pages,
        who_is_far_behind_gets_a_snapshot,
        heads_say_what_moved_since_the_token,
        answers_come_in_the_order_of_the_asking,
        history_is_every_message_before,
        history_is_asked_for_around_any_place;
    questions:
        a_question_finds_what_its_filter_says_in_its_order,
        pages_of_an_answer_lead_onward_and_back,
        a_question_that_breaks_a_rule_fails_with_its_place,
        nothing_is_found_that_may_not_be_seen,
        channels_come_with_their_state_if_it_is_wanted;
    devices:
        a_device_is_registered_and_listed,
        a_revoked_device_is_shut_out,
        what_a_device_does_for_itself_no_other_does_for_it,
        how_far_a_device_is_is_told;
    receipts:
        what_has_reached_a_user_only_grows_and_ends_at_the_newest,
        private_receipts_reach_nobody_else;
    live:
        numbers_are_dense_and_given_once,
        everyone_else_gets_each_step_once_and_in_order,
        an_event_is_what_the_feed_says,
        nothing_is_missed_between_ready_and_the_first_event,
        a_profile_comes_beside_members;
    beside:
        whose_presence_is_wanted_is_told_at_once_and_with_each_change,
        an_invisible_user_is_offline_to_others_and_knows_the_truth,
        presence_is_for_those_who_share_a_channel,
        who_is_denied_is_shown_nobody,
        who_is_silent_is_offline_within_the_lease,
        who_has_a_channel_open_is_told_to_the_others_who_have,
        who_types_is_told_to_the_other_members;
    members:
        a_new_member_is_told_and_sees_everything,
        a_removed_member_is_told_and_sees_nothing_more,
        who_comes_back_sees_what_was_missed,
        the_stream_of_another_user_is_forbidden,
        a_channel_that_is_not_there_fails_and_the_connection_goes_on;
}

/// Returns the names of all cases, in the order in which [`run`] runs them.
pub fn case_names() -> impl Iterator<Item = &'static str> {
    CASES.iter().map(|(name, _)| *name)
}

/// Runs every case, one after the other. It takes about two seconds and some 3,000 operations.
pub async fn run(target: &Target) -> Report {
    run_some(target, |_| true).await
}

/// Runs the cases whose name `wanted` likes.
pub async fn run_some(target: &Target, wanted: impl Fn(&str) -> bool) -> Report {
    let world = script::World::new(target);
    let mut report = Report::default();
    for (name, case) in CASES.iter().filter(|(name, _)| wanted(name)) {
        let verdict = match case(&world).await {
            Ok(()) => Verdict::Passed,
            Err(Problem::Failed(words)) => Verdict::Failed(words),
            Err(Problem::Skipped(words)) => Verdict::Skipped(words),
        };
        report.cases.push(Case { name, verdict });
    }
    report
}
