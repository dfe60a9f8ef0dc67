//! The sans-IO sync engine: session, outbox, catch-up, gaps, cursors and backoff.
