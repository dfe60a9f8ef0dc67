//! The app's settings of this device.

use crate::{
    Client, Error,
    command::{Command, OfLocal},
};
use whimbrel_state::LocalSettings as Values;

/// A small store of the app's own: text by key, on this device only. Made by [`Client::local_settings`].
///
/// It is in the account's database: it survives restarts, and is deleted by [`Client::logout`]. Nothing of it is sent to anyone, but to
/// another device of the account that asks for what this one has ([`Client::request_device_sync`]). All of it together has at most
/// [`limits::LOCAL_SETTINGS_BYTES`](whimbrel_model::limits::LOCAL_SETTINGS_BYTES). Cheap to clone.
#[derive(Clone, Debug)]
pub struct LocalSettings(Client);

impl LocalSettings {
    /// Returns one of them, if it is set.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<String> {
        self.0.inner().state.local_settings().get(key).cloned()
    }

    /// Returns all of them, by key.
    #[must_use]
    pub fn all(&self) -> Values {
        self.0.inner().state.local_settings()
    }

    /// Returns a reader of all of them: as they are now, and each later state. A slow reader gets the latest.
    pub fn watch(&self) -> crate::Watch<Values> {
        self.0.inner().state.subscribe_local_settings()
    }

    /// Sets one. When it returns, it is on disk.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the key is empty or too long, or all of them would be too large; [`Error`] when the write failed or the
    /// client is closed.
    pub async fn set(&self, key: impl Into<String>, value: impl Into<String>) -> Result<(), Error> {
        self.put(key.into(), Some(value.into())).await
    }

    /// Removes one. One that is not set is none of the errors.
    ///
    /// # Errors
    /// [`Error`] when the write failed or the client is closed.
    pub async fn remove(&self, key: impl Into<String>) -> Result<(), Error> {
        self.put(key.into(), None).await
    }

    async fn put(&self, key: String, value: Option<String>) -> Result<(), Error> {
        let set = |reply| Command::Local(OfLocal::Set { key, value, reply });
        self.0.commands().ask(set).await
    }
}

impl Client {
    /// Returns the app's settings of this device. Needs no connection, and makes none.
    #[must_use]
    pub fn local_settings(&self) -> LocalSettings {
        LocalSettings(self.clone())
    }
}
