//! Making a failure smaller: without each class of faults, then with fewer actions, as long as it breaks the same.

use super::{Cut, Fault, Mutant, Outcome, run, tell};

/// The smallest failure that was found.
#[derive(Debug)]
pub struct Shrunk {
    /// The limits that it still fails under.
    pub cut: Cut,
    /// The schedule under them, with its story.
    pub outcome: Outcome,
}

/// Makes the failure of a seed smaller.
#[must_use]
pub fn shrink(seed: u64, mutant: Option<Mutant>) -> Shrunk {
    let mut cut = Cut::default();
    let broken = run(seed, mutant, &cut)
        .violation
        .map(|violation| violation.invariant);
    let still = |cut: &Cut| {
        run(seed, mutant, cut)
            .violation
            .map(|violation| violation.invariant)
            == broken
    };
    for fault in Fault::ALL {
        let without = Cut {
            without: cut.without.with(*fault),
            ..cut
        };
        if still(&without) {
            cut = without;
        }
    }
    for actions in 1..100 {
        let fewer = Cut { actions, ..cut };
        if still(&fewer) {
            cut = fewer;
            break;
        }
    }
    Shrunk {
        cut,
        outcome: tell(seed, mutant, &cut),
    }
}
