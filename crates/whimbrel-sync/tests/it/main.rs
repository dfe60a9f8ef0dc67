//! Tests of the engine with frames made by hand: the test is the server, the clock, the disk and the dice.
//!
//! Not asserted here: that a real server sends such frames, which is for the tests of the client and the simulator.

mod ask;
mod barrier;
mod compaction;
mod consent;
mod cursor;
mod disk;
mod frames;
mod gaps;
mod heads;
mod lanes;
mod law;
mod outbox;
mod receipts;
mod rejection;
mod retention;
mod scope;
mod session;
mod snapshot;
mod unsent;
mod watch;
mod world;
