//! The client's storage on SQLite.
