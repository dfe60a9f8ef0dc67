use crate::{Client, Part};
use whimbrel_state::{Drafts, GlobalFacts};

/// The account as one object: who it is, how it is connected, what is unread and what waits, kept up to date while a handle
/// lives.
///
/// See [`Client::state`]. Cloning it gives another handle to the same object.
#[derive(Clone, Debug)]
pub struct GlobalState {
    state: whimbrel_state::GlobalState,
    client: Client,
}

impl GlobalState {
    pub(super) const fn new(state: whimbrel_state::GlobalState, client: Client) -> Self {
        Self { state, client }
    }

    /// Returns the client of the account.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Returns what is being written, by channel and by thread, on all devices of the account.
    #[must_use]
    pub fn drafts(&self) -> &Drafts {
        self.state.drafts()
    }

    /// Returns everything, as it is now.
    #[must_use]
    pub fn facts(&self) -> GlobalFacts {
        self.state.facts()
    }

    /// Returns a reader of [`GlobalState::facts`]: the facts now, and each later ones. A slow reader gets the latest.
    pub fn watch(&self) -> crate::Watch<GlobalFacts> {
        self.state.subscribe()
    }

    /// Returns a reader of a part of [`GlobalState::facts`], which wakes only when that part is another one.
    pub fn watch_part<T: Clone + PartialEq>(&self, pick: fn(&GlobalFacts) -> T) -> Part<GlobalFacts, T> {
        self.state.part(pick)
    }
}
