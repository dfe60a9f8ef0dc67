//! What the device keeps for itself.

use eyeball::{SharedObservable, Subscriber};
use std::{collections::BTreeMap, sync::Arc};
use uuid::Uuid;
use whimbrel_model::{Change, Delta, Local, LocalChange, Transfer};

/// The app's settings of this device, by key. Cheap to clone.
pub type LocalSettings = Arc<BTreeMap<String, String>>;

#[derive(Debug, Default)]
pub(crate) struct Shown {
    settings: SharedObservable<LocalSettings>,
    transfers: SharedObservable<Arc<BTreeMap<Uuid, Transfer>>>,
}

impl Shown {
    pub(crate) fn replace(&self, local: Local) {
        drop(self.settings.set_if_not_eq(Arc::new(local.settings)));
        drop(self.transfers.set_if_not_eq(Arc::new(local.transfers)));
    }

    pub(crate) fn reduce(&self, delta: &Delta) {
        let changes = delta.changes.iter().filter_map(|change| match change {
            Change::Local(change) => Some(change),
            _ => None,
        });
        let (mut settings, mut transfers) = (None, None);
        for change in changes {
            match change {
                LocalChange::Setting(key, value) => {
                    let settings = settings.get_or_insert_with(|| (*self.settings.get()).clone());
                    match value {
                        Some(value) => drop(settings.insert(key.clone(), value.clone())),
                        None => drop(settings.remove(key)),
                    }
                }
                LocalChange::Transfer(transfer) => {
                    let transfers = transfers.get_or_insert_with(|| (*self.transfers.get()).clone());
                    transfers.insert(transfer.request, transfer.clone());
                }
                LocalChange::TransferOver(request) => {
                    let transfers = transfers.get_or_insert_with(|| (*self.transfers.get()).clone());
                    transfers.remove(request);
                }
                LocalChange::TransferPart { .. } => {}
            }
        }
        if let Some(settings) = settings {
            drop(self.settings.set_if_not_eq(Arc::new(settings)));
        }
        if let Some(transfers) = transfers {
            drop(self.transfers.set_if_not_eq(Arc::new(transfers)));
        }
    }

    pub(crate) fn settings(&self) -> LocalSettings {
        self.settings.get()
    }

    pub(crate) fn subscribe_settings(&self) -> Subscriber<LocalSettings> {
        self.settings.subscribe()
    }

    pub(crate) fn transfers(&self) -> Arc<BTreeMap<Uuid, Transfer>> {
        self.transfers.get()
    }
}
