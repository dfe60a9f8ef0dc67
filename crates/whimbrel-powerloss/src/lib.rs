//! A disk under SQLite that loses its power, and what the databases of device and server keep then.
//!
//! A killed process loses nothing that it has written; a machine without power loses what was not synced. No test can
//! pull the plug, so this crate stands between SQLite and the file system: a [`Disk`] under a directory knows what of
//! each file was synced, lets the power go at any write or sync, and leaves of the rest what its seed decides, sector
//! by sector. [`device`] and [`server`] then open the real databases on it again and again, and compare them with what
//! was acknowledged.
//!
//! `unsafe` is allowed here and nowhere else in the workspace: SQLite's interface to a file system is one of C. It is in
//! one module, and this crate is linked into tests only.
//!
//! ## Invariants
//!
//! - What was synced survives. Of what was not, each sector of 512 bytes has its own fate: kept, lost or torn.
//! - A name whose directory was not synced may name what it named before, or nothing.
//! - The same seed lets the power go at the same operation; a failure names its seed.
//! - A disk that keeps less than it was asked to ([`Disk::weaken`]) loses acknowledged work: the checks can fail.
//! - Databases outside of the directory of a disk are not touched. It is Unix only, and no code that ships links it.

pub mod device;
mod disk;
pub mod server;
mod tally;
mod vfs;

pub use disk::{Disk, Synchronous};
pub use tally::Tally;
