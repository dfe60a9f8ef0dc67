//! The Whimbrel reference server: axum, JWT, embedded SQLite.
