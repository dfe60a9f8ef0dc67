//! What the device keeps for itself.

use super::State;
use crate::LocalSettings;
use eyeball::Subscriber;
use std::{collections::BTreeMap, sync::Arc};
use uuid::Uuid;
use whimbrel_model::{Local, Transfer};

impl State {
    /// Puts what the store has of it: all of it.
    pub fn put_local(&self, local: Local) {
        self.0.local.replace(local);
    }

    /// Returns the app's settings of this device.
    #[must_use]
    pub fn local_settings(&self) -> LocalSettings {
        self.0.local.settings()
    }

    /// Returns a reader of [`State::local_settings`].
    pub fn subscribe_local_settings(&self) -> Subscriber<LocalSettings> {
        self.0.local.subscribe_settings()
    }

    /// Returns what is on its way between this device and others, by request.
    #[must_use]
    pub fn transfers(&self) -> Arc<BTreeMap<Uuid, Transfer>> {
        self.0.local.transfers()
    }
}
