//! The benches that `cargo xtask bench` runs.

fn main() {}
