//! Integration tests of the SQLite store.

mod conformance;
// durability
// opening
