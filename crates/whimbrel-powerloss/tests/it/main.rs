//! Power losses under the databases of device and server.

#![expect(clippy::unwrap_used, reason = "test support fails the test")]

mod databases;
mod disk;
mod opening;
