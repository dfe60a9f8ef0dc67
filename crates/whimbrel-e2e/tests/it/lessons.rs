//! What users of other systems complain about, each as a test that would show the symptom: `docs/FEATURES.md` has the
//! list, and each test carries the number.
//!
//! The real server and real clients on SQLite, over loopback sockets that break on command.
//!
//! Not asserted here: schedules of faults by the thousand, which are for the simulator, and kills of processes, which
//! are for the crash runs.

mod accounts;
mod catch_up;
mod connection;
mod device_sync;
mod observers;
mod outbox;
mod presence;
mod reads;
mod rejections;
mod store;
mod support;
mod tokens;
