//! Which rows have a gap before them, worked out again only where that can have changed.

use super::{TimelineItem, window::Place};
use crate::list::Edit;
use whimbrel_model::RangeSet;

type Batch<'a> = Edit<'a, Place, TimelineItem>;

/// Returns whether messages are missing between a row at `place` and the accepted row above it.
pub(super) fn gap_before(batch: &Batch<'_>, ranges: &RangeSet, place: Place) -> bool {
    let Place::Accepted(seq) = place else {
        return false;
    };
    let above = batch
        .lower_bound(&place)
        .checked_sub(1)
        .and_then(|index| batch.at(index));
    match above {
        Some((Place::Accepted(above), _)) => !ranges.covers(above + 1, seq - 1),
        _ => false,
    }
}

/// Works out the gap before the row at `index`, if there is one.
pub(super) fn mark_gap(batch: &mut Batch<'_>, ranges: &RangeSet, index: usize) {
    let Some((place, item)) = batch.at(index) else {
        return;
    };
    let gap = gap_before(batch, ranges, *place);
    if item.gap_before != gap {
        let mut item = TimelineItem::clone(item);
        item.gap_before = gap;
        batch.set(index, item);
    }
}

/// Works out the gaps that differ between the ranges as they were and as they are.
pub(super) fn mark_gaps(batch: &mut Batch<'_>, before: &RangeSet, after: &RangeSet) {
    let (old, new) = (holes(before), holes(after));
    let gone = old.iter().filter(|hole| !new.contains(hole));
    let come = new.iter().filter(|hole| !old.contains(hole));
    for (lo, hi) in gone.chain(come) {
        let first = batch.lower_bound(&Place::Accepted(lo + 1));
        let last = batch.lower_bound(&Place::Accepted(hi.saturating_add(1)));
        for index in first..=last {
            mark_gap(batch, after, index);
        }
    }
}

/// Returns the runs of sequences that are not on the device; the last one has no end.
fn holes(ranges: &RangeSet) -> Vec<(u64, u64)> {
    let mut holes = Vec::new();
    let mut next = 1;
    for range in ranges.as_slice() {
        if range.lo > next {
            holes.push((next, range.lo - 1));
        }
        next = range.hi + 1;
    }
    holes.push((next, u64::MAX));
    holes
}
