//! What leaves the hub, as whoever reads it may see it: every exit goes through here.

use std::{collections::BTreeSet, mem};
use whimbrel_model::{Row, StreamEvent, UserId};
use whimbrel_protocol::Outcome;

/// Leaves of rows what `reader` may see, in their order.
pub(crate) fn rows(rows: &mut Vec<Row>, reader: &UserId) {
    let all = mem::take(rows).into_iter();
    *rows = all.filter_map(|row| row.seen_by(reader)).collect();
}

/// Leaves of an answer what `reader` may see.
pub(crate) fn outcome(outcome: &mut Outcome, reader: &UserId) {
    if let Outcome::Accepted { steps } = outcome {
        steps.iter_mut().for_each(|step| rows(&mut step.rows, reader));
    }
}

/// Returns a step as `reader` may see it. Its versions stay: the cursor goes by them.
pub(crate) fn event(step: &StreamEvent, reader: &UserId) -> StreamEvent {
    let mut seen = step.clone();
    rows(&mut seen.rows, reader);
    seen
}

/// Returns whose rows are in a step that they see otherwise than all others do.
pub(crate) fn owners(step: &StreamEvent) -> BTreeSet<UserId> {
    let owners = step.rows.iter().filter_map(Row::seen_otherwise_by);
    owners.cloned().collect()
}
