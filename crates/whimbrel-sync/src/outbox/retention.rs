//! What may have acted, too long ago for the server to know.

use super::Outbox;
use crate::{Env, Notice};
use whimbrel_model::{Code, OutboxItem, Rejection, Timestamp};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// The first moment of 2020: a clock that is behind it was never set.
const PLAUSIBLE_FROM: i64 = 1_577_836_800_000;

impl Outbox {
    /// Parks what was attempted so long ago that the server, whose clock says `server_time`, may have forgotten the
    /// result, if a repeat could do harm. From now on attempts are dated by the server's clock.
    ///
    /// The wall clock of the device counts only for what was attempted before the last start, and only while it agrees
    /// with the server's: an operation is not younger than its attempt, so at worst a user is asked too early.
    pub(crate) fn expire(
        &mut self,
        server_time: Timestamp,
        retention_days: u32,
        env: &Env<'_>,
        notices: &mut Vec<Notice>,
    ) {
        self.server_time = Some(server_time);
        // A day less: clocks differ, and the repeat has to arrive.
        let kept = i64::from(retention_days.saturating_sub(1).max(1)) * DAY_MS;
        let agrees = server_time.as_millis().abs_diff(env.wall.as_millis()) < DAY_MS.unsigned_abs();
        let expired = self.items.values().filter(|item| {
            let known = self.attempted_at.get(&item.pos);
            let first = known.or_else(|| agrees.then_some(&item.composed_at));
            is_unknown(item) && first.is_some_and(|first| is_older(*first, server_time, kept))
        });
        for pos in expired.map(|item| item.pos).collect::<Vec<_>>() {
            let message = format!(
                "it may have reached the server more than {retention_days} days ago, which knows results no longer: \
                 look whether it did, and repeat or discard it"
            );
            let rejection = Rejection {
                code: Code::Expired,
                message,
                parent: None,
            };
            self.park(pos, rejection, env.mono, notices);
        }
    }
}

fn is_unknown(item: &OutboxItem) -> bool {
    item.attempted && item.rejection().is_none() && !item.op.is_its_own_record()
}

/// Neither clock counts if it was never set.
fn is_older(first: Timestamp, now: Timestamp, kept: i64) -> bool {
    let (first, now) = (first.as_millis(), now.as_millis());
    first >= PLAUSIBLE_FROM && now >= PLAUSIBLE_FROM && now.saturating_sub(first) > kept
}
