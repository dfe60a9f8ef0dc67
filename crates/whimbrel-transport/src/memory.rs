//! A connection within one process.
