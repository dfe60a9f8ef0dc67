//! A terminal chat client for Whimbrel, and an example of an app built on nothing but the crate `whimbrel`.
//!
//! [`App`] is the whole program without a terminal and without a client: [`App::update`] takes an [`Event`] and returns
//! [`Action`]s, [`draw`] paints it. The runtime feeds it keys and the client's observable state, and carries out the
//! actions. So everything that a person can do is a plain function that a test can call.
//!
//! | to find | look in |
//! |---|---|
//! | the command line | `cli` |
//! | what a key does | `app/keys`, `app/keep`, `app/timeline_keys`, `app/dialog_keys` |
//! | all keys | `draw/help` |
//! | what may be typed after `/` | `app/listing` |
//! | drafts, threads, pins, searches | `app/drafts`, `app/threads`, `app/pins`, `app/search` |
//! | people, requests, devices, settings | `app/people`, `app/requests`, `app/devices`, `app/settings` |
//! | what begins with a slash in the line | `app/commands` |
//! | the dialogs that are lists | `app/list`, `draw/rows` |
//! | how a message looks | `draw/message` |
//! | what a client call looks like in an app | `runtime/perform` |
//! | how lists are watched | `runtime/feeds` |
//!
//! ## Invariants
//!
//! - The screen never waits for the network or the disk: actions run in tasks of their own, and answer with events.
//! - What is being written is on disk within two seconds of a pause, and when the program ends in order.
//! - What changes something runs in the order in which the keys were pressed.
//! - Nothing that somebody else wrote reaches the terminal before `text::clean` made it harmless.
//! - The terminal is given back on every way out: a key, a signal, an error, a panic.
//! - Every task is in one set, and ends with the program. Every queue is bounded.

mod app;
mod cli;
mod draw;
mod runtime;
mod terminal;
mod text;
mod token;

pub use app::{Action, App, Decision, Event, Feed, Hold, Keep, Results, Scope, ShownDraft, TimelineFeed};
pub use cli::run;
pub use draw::draw;
pub use runtime::chat;
pub use terminal::Surface;
