//! A bounded run of every target, the same on every machine.

mod bounded;
