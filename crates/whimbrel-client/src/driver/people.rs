//! What holds of others is another thing: everything that depends on it is read again.

use super::Driver;
use crate::Error;

impl Driver {
    /// Reads what is counted and chosen by [`State::people`](whimbrel_state::State::people) again: lists of channels, what is
    /// unread, threads, objects.
    pub(super) async fn show_people_again(&self) -> Result<(), Error> {
        let state = &self.parts.state;
        self.show_channels_again().await?;
        if state.unread().is_some() {
            self.count_unread().await?;
        }
        if state.threads().is_some() || state.unread().is_some() {
            self.read_all_threads().await?;
        }
        self.show_objects_again().await
    }

    /// Takes what the store has of the account itself.
    pub(super) async fn read_account(&self) -> Result<(), Error> {
        let rows = self.parts.store.account_rows().await?;
        if self.parts.state.put_account(rows) {
            self.show_people_again().await?;
        }
        Ok(())
    }
}
