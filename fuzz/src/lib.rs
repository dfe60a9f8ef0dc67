//! Puts a target of `whimbrel-fuzz` under libFuzzer.
//!
//! Half of the inputs are changed by libFuzzer, half by the mutator of the bounded runs, which knows JSON.
//!
//! ## Invariants
//!
//! - What is asserted is in `whimbrel-fuzz`. Here is only what libFuzzer needs.

pub use libfuzzer_sys;

use whimbrel_fuzz::{Dice, TARGETS};

/// Runs a target.
///
/// # Panics
/// When what it asserts does not hold.
pub fn run(name: &str, bytes: &[u8]) {
    whimbrel_fuzz::run(name, bytes);
}

/// Changes the first `size` bytes of `data`, and returns how many there are then.
pub fn mutate(name: &str, data: &mut [u8], size: usize, most: usize, seed: u32) -> usize {
    let mut dice = Dice(u64::from(seed));
    if dice.below(2) == 0 {
        return libfuzzer_sys::fuzzer_mutate(data, size, most);
    }
    let target = TARGETS.iter().find(|target| target.name == name);
    let mut examples = target.map(|target| (target.seeds)()).unwrap_or_default();
    let current = data[..size].to_vec();
    // The input at hand is what is changed, and the examples lend their pieces.
    examples.extend(std::iter::repeat_n(current, 3 * examples.len() + 1));
    let changed = whimbrel_fuzz::mutate(&examples, &mut dice);
    let length = changed.len().min(most);
    data[..length].copy_from_slice(&changed[..length]);
    length
}

/// Defines the entry points of libFuzzer for the target of that name.
#[macro_export]
macro_rules! target {
    ($name:literal) => {
        $crate::libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::run($name, data));
        $crate::libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
            $crate::mutate($name, data, size, max_size, seed)
        });
    };
}
