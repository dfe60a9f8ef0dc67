//! Tests of the language against the databases that have to agree with it, and against its documents.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod case;
mod docs;
mod engine;
mod errors;
mod law;
mod mutants;
mod plans;
mod postgres;
mod schema;
mod semantics;
