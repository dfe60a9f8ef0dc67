//! What the wire looks like, byte for byte, and what it refuses.

mod codec;
mod fuzz;
mod golden;
mod law;
mod samples;
