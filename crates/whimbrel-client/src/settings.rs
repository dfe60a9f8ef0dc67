//! The account's settings: on every device the same, and changed with no network too.

use crate::{Client, Error, Part, Queued};
use std::sync::Arc;
use whimbrel_model::{Op, Settings, SettingsChange};
use whimbrel_state::AccountFacts;

impl Client {
    /// Returns the account's settings, with what waits in the outbox laid over them.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        self.inner().state.account().settings
    }

    /// Returns a reader of [`Client::settings`].
    pub fn watch_settings(&self) -> Part<AccountFacts, Arc<Settings>> {
        self.inner()
            .state
            .account_part(|account| Arc::clone(&account.settings))
    }

    /// Changes some of the account's settings, for all its devices: what others see of the user, receipts among it. What is absent
    /// stays; of each, the change that the server hears last holds.
    ///
    /// What others have seen before a receipt was switched off, they keep.
    ///
    /// # Errors
    /// [`Error`] when a value is invalid, the outbox is full or the write failed.
    pub async fn update_settings(&self, change: SettingsChange) -> Result<Queued, Error> {
        self.commands().enqueue(Op::UpdateSettings { change }).await
    }
}
