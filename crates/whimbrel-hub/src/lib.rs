//! Server logic without HTTP: authorise, apply, sequence, dedupe and fan out.
