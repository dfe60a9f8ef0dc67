//! Tests of the terminal client without a terminal: keys and news in, actions and a painted buffer out.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod composing;
mod deciding;
mod devices;
mod dialogs;
mod drafts;
mod drawing;
mod hostile;
mod keeping;
mod live;
mod moving;
mod people;
mod pins;
mod receipts;
mod searching;
mod support;
mod threads;
