//! Integration tests of the memory store.

mod conformance;
mod split;
