//! Archives of what only a device has: the format, read and written as a stream, encrypted.
//!
//! An archive is one line in the clear, and an [age](https://age-encryption.org/v1) file:
//!
//! ```text
//! {"whimbrel_archive":1,"made_at":1764000000000}⏎        in the clear: nothing about anybody
//! age-encryption.org/v1 …                                 to a passphrase, or to the key of a device
//!   {"manifest":{"account":"ada","device":"…","epoch":7,"made_at":1764000000000,"elements":["setting","channel"]}}⏎
//!   {"setting":{"key":"theme","value":"dark"}}⏎
//!   {"channel":{"cid":"messaging:old","epoch":7}}⏎
//!   {"row":{"message":{…}}}⏎                              of the channel before it
//!   {"covered":{"cursor":{…},"ranges":[…]}}⏎              what the rows before it cover
//!   {"end":{"counts":{"setting":1,"channel":1,"row":1,"covered":1}}}⏎
//! ```
//!
//! Without the first line it is a file that any implementation of age decrypts to JSON lines, which [`PlainReader`] reads.
//! [`ArchiveWriter`] makes one, [`ArchiveReader`] reads one; both hold some lines in memory at a time, however long it is. What the elements mean, and which of them
//! are taken, is for who reads it.
//!
//! ## Invariants
//!
//! - Nothing but the version and the time is in the clear.
//! - An archive that was cut, changed or put together from others is an error, never fewer elements: age authenticates every
//!   block and the end, and the last line counts the others.
//! - A line of an unknown kind is told by name ([`Element::Unknown`]) and is no error: later versions may add kinds.
//! - Every line is bounded, in both directions: [`LINE_BYTES`].

mod error;
mod format;
mod key;
mod reader;
mod writer;

pub use error::ArchiveError;
pub use format::{
    ArchivedChannel, ArchivedCover, ArchivedSetting, Element, LINE_BYTES, Manifest, Metadata, VERSION,
};
pub use key::{DeviceKey, Key, Lock};
pub use reader::{ArchiveReader, PlainReader};
pub use writer::ArchiveWriter;
