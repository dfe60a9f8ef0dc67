//! Observable chat state: timelines, channel lists and status, reduced from deltas.
