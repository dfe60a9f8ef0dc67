//! What a new operation comes to with those that wait already: pure, from the rules of the model.

use whimbrel_model::{Merge, Op};

/// What becomes of a new operation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fold {
    /// It stands for itself.
    Apart,
    /// The one at this position becomes this, and stands for both.
    Into(u64, Op),
    /// Neither it nor those at these positions are needed.
    Gone(Vec<u64>),
}

/// Finds what `later` comes to. `earlier` are the operations of its lane that were never sent, newest first.
pub(crate) fn fold<'a>(earlier: impl IntoIterator<Item = (u64, &'a Op)>, later: &Op) -> Fold {
    let mut earlier = earlier.into_iter();
    let mut ended = Vec::new();
    while let Some((pos, op)) = earlier.next() {
        match op.merged_with(later) {
            Merge::Replace(merged) if takes_nothing_back(&merged, &mut earlier) => {
                return Fold::Gone(vec![pos]);
            }
            Merge::Replace(merged) => return Fold::Into(pos, merged),
            Merge::Annihilate => {
                ended.push(pos);
                return Fold::Gone(ended);
            }
            Merge::Keep if op.ends_with(later) => ended.push(pos),
            Merge::Keep if !op.commutes_with(later) => return Fold::Apart,
            Merge::Keep => {}
        }
    }
    Fold::Apart
}

/// Returns whether `op` takes a reaction back that cannot be there: the message itself was never sent.
fn takes_nothing_back<'a>(op: &Op, earlier: &mut impl Iterator<Item = (u64, &'a Op)>) -> bool {
    let Op::RemoveReaction { message, .. } = op else {
        return false;
    };
    for (_, before) in earlier {
        match before {
            Op::SendMessage { id, .. } if id == message => return true,
            other if !other.commutes_with(op) => return false,
            _ => {}
        }
    }
    false
}
