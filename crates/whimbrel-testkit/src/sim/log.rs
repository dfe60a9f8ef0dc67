//! What happened: counters of what was reached, and the story for a reader.

use super::{Fault, Violation};
use std::collections::BTreeMap;

/// How often each fault happened and each path was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters(pub BTreeMap<&'static str, u64>);

/// The paths that have to be reached in every thousand schedules.
pub const PATHS: &[&str] = &[
    "accepted",
    "dedupe_replay",
    "rejected",
    "parent_rejected",
    "op_retried",
    "out_of_order",
    "discarded",
    "discarded_unsent",
    "repeated",
    "event_applied",
    "event_old",
    "event_gap",
    "event_early",
    "page",
    "page_more",
    "reset",
    "reset_window",
    "reset_epoch",
    "history",
    "history_refused",
    "heads_moved",
    "unfollow",
    "rejoin",
    "group_commit",
    "merged_round",
    "answer_timeout",
    "server_cut_silent",
    "needs_auth",
    "half_refused",
    "discontinuity",
    "caught_up",
    "scrolled",
    "scrolled_channels",
    "fresh_device",
    "draft_taken_over",
    "draft_beside",
    "distinct_known",
    "hidden_shown",
    "thread_read",
    "restarted",
    "presence_online",
    "presence_offline",
    "presence_stays",
    "server_restart_with_online",
    "typing",
    "mark_delivered",
    "mark_repeated",
    "mark_lost",
    "revoked_offline",
    "revoked_online",
    "revoked_sending",
    "revoked_refused",
    "revoked_keeps",
    "invited",
    "invite_accepted",
    "invite_rejected",
    "consent_by_writing",
    "private_read",
    "private_delivered",
    "never_followed",
    "capped",
];

impl Counters {
    /// Returns one counter.
    #[must_use]
    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        for (name, count) in &other.0 {
            *self.0.entry(name).or_default() += count;
        }
    }

    /// Returns what was never reached: every class of faults and every path that is at 0.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let faults = Fault::ALL.iter().map(|fault| fault.name());
        let all = faults.chain(PATHS.iter().copied());
        all.filter(|name| self.get(name) == 0).collect()
    }
}

#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) counters: Counters,
    /// Absent: nobody reads it.
    pub(super) story: Option<Vec<String>>,
}

impl Log {
    pub(super) fn count(&mut self, name: &'static str) {
        *self.counters.0.entry(name).or_default() += 1;
    }

    pub(super) fn say(&mut self, now: u64, who: &str, what: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(format!("{:>9.3} {who:<8} {}", now as f64 / 1_000.0, what()));
        }
    }
}

/// Fails with an invariant's name.
pub(super) fn violated<T>(invariant: &'static str, what: impl Into<String>) -> Result<T, Violation> {
    Err(Violation {
        invariant,
        what: what.into(),
    })
}
