//! What one schedule consists of: drawn anew for each, so that rare mixes come up.

use super::{
    dice::Dice,
    fault::{Fault, FaultSet},
};

/// A limit put on a schedule, to make a failure smaller.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// Classes of faults that do not happen.
    pub without: FaultSet,
    /// The most user actions.
    pub actions: u64,
}

impl Default for Cut {
    fn default() -> Self {
        Self {
            without: FaultSet::default(),
            actions: u64::MAX,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// How many devices each user has.
    pub(super) users: Vec<u64>,
    pub(super) actions: u64,
    /// By class, in thousandths.
    rates: Vec<u64>,
    /// By kind of action.
    pub(super) weights: Vec<u64>,
    pub(super) page_rows: usize,
    /// Messages in the first page of a timeline.
    pub(super) screen: usize,
    /// Channels in the first page of the list.
    pub(super) list_rows: usize,
    /// The longest time between two actions, in milliseconds.
    pub(super) pace: u64,
    pub(super) latency: u64,
    /// Whether somebody writes a thousand changes at once, so that devices jump.
    pub(super) flood: bool,
    /// A device that no live event reaches.
    pub(super) deaf: Option<usize>,
    /// Whether a device may wake up as it was before.
    pub(super) travels: bool,
    /// Whether the server may be replaced by its backup.
    pub(super) restores: bool,
    /// How often a client has to be heard, in milliseconds.
    pub(super) heartbeat_ms: u64,
    /// In thousandths of the steps of devices: how often everything on a screen is compared with what a restart would show.
    pub(super) glances: u64,
    /// A crowd on an ordinary day: who does what, and which steps are checked.
    pub(super) day: bool,
}

/// Weights of the kinds of action, in the order of `action::KINDS`.
const WEIGHTS: [u64; 38] = [
    40, 9, 5, 9, 5, 9, 8, 2, 4, 4, 1, 2, 2, 4, 3, 4, 4, 6, 3, 4, 2, 4, 2, 6, 7, 2, 5, 5, 5, 4, 8, 14, 2, 2,
    1, 2, 3, 1,
];

impl Plan {
    pub(super) fn draw(dice: &mut Dice, cut: &Cut) -> Self {
        let users = (0..dice.between(2, 4)).map(|_| dice.between(1, 2)).collect();
        let calm = dice.per_mille(40);
        let rates = Fault::ALL.iter().map(|fault| {
            let (on, share) = (dice.per_mille(550), dice.between(1, 100));
            // Squared: mostly rare, sometimes a storm.
            let rate = (fault.most() * share * share).div_ceil(10_000);
            if on && !calm && !cut.without.has(*fault) {
                rate
            } else {
                0
            }
        });
        let rates = rates.collect();
        let mut weights = WEIGHTS.to_vec();
        for weight in &mut weights {
            *weight *= [0, 1, 1, 1, 3][dice.index(5)];
        }
        // Without messages there is nothing to look at.
        weights[0] = weights[0].max(10);
        let flood = dice.per_mille(40);
        Self {
            users,
            actions: dice.between(20, 70).min(cut.actions),
            rates,
            weights,
            // A thousand changes in pages of two would be nothing but pages.
            page_rows: [2, 5, 20, 200][if flood { dice.between(2, 3) } else { dice.below(4) } as usize],
            screen: [6, 40, 100_000][dice.index(3)],
            list_rows: [1, 3, 1_000][dice.index(3)],
            pace: [20, 200, 1_000, 8_000][dice.index(4)],
            latency: [5, 60, 400][dice.index(3)],
            flood,
            deaf: (dice.per_mille(60) && !cut.without.has(Fault::Deaf)).then(|| dice.index(4)),
            travels: dice.per_mille(80) && !cut.without.has(Fault::DeviceRestored),
            restores: dice.per_mille(150) && !cut.without.has(Fault::Restored),
            heartbeat_ms: 20_000,
            glances: 60,
            day: false,
        }
    }

    /// A day of many: what goes wrong is what goes wrong on any day, and not a storm.
    pub(super) fn of_a_day(dice: &mut Dice, pace: u64) -> Self {
        let mut plan = Self::draw(dice, &Cut::default());
        plan.rates = Fault::ALL.iter().map(|fault| fault.most().div_ceil(60)).collect();
        Self {
            actions: u64::MAX,
            page_rows: 200,
            screen: 40,
            list_rows: 5,
            pace,
            latency: 60,
            flood: false,
            deaf: None,
            travels: false,
            restores: false,
            heartbeat_ms: 600_000,
            glances: 1,
            day: true,
            ..plan
        }
    }

    pub(super) fn rate(&self, fault: Fault) -> u64 {
        self.rates[fault as usize]
    }
}
