//! Offline-first chat for Rust.
