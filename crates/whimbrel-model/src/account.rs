//! What an account keeps about itself, in its own stream: settings, contacts, devices. Nobody else sees it.

mod contact;
mod device;
mod settings;

pub use contact::{Contact, ContactChange, SetConsent};
pub use device::{Device, DeviceChange, DeviceSync, DeviceSyncState, PushToken, SetPush};
pub use settings::{Settings, SettingsChange};

pub(crate) use device::{check_offer, check_registration};

use crate::{DeviceId, UserId};
use serde::{Deserialize, Serialize};

/// A row about the account itself, in its own stream.
///
/// On the wire an object with one key that names the kind: `{"contact": {…}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountRow {
    /// How the account wants things.
    Settings(Settings),
    /// What the account holds of somebody else.
    Contact(Contact),
    /// One of its devices.
    Device(Device),
    /// What one of its devices asks the others for.
    DeviceSync(DeviceSync),
}

/// Which of an account's rows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountKey {
    /// Of [`AccountRow::Settings`]: there is one.
    Settings,
    /// Of [`AccountRow::Contact`], by who it is about.
    Contact(UserId),
    /// Of [`AccountRow::Device`].
    Device(DeviceId),
    /// Of [`AccountRow::DeviceSync`], by the device that asks.
    DeviceSync(DeviceId),
}

impl AccountRow {
    /// Returns whose row it is: always the owner of the stream.
    #[must_use]
    pub const fn user(&self) -> &UserId {
        match self {
            Self::Settings(row) => &row.user,
            Self::Contact(row) => &row.user,
            Self::Device(row) => &row.user,
            Self::DeviceSync(row) => &row.user,
        }
    }

    /// Returns which of the account's rows it is.
    #[must_use]
    pub fn key(&self) -> AccountKey {
        match self {
            Self::Settings(_) => AccountKey::Settings,
            Self::Contact(row) => AccountKey::Contact(row.of.clone()),
            Self::Device(row) => AccountKey::Device(row.id),
            Self::DeviceSync(row) => AccountKey::DeviceSync(row.device),
        }
    }

    /// Returns the version of the last change, in the user's stream.
    #[must_use]
    pub const fn ver(&self) -> u64 {
        match self {
            Self::Settings(row) => row.ver,
            Self::Contact(row) => row.ver,
            Self::Device(row) => row.ver,
            Self::DeviceSync(row) => row.ver,
        }
    }

    /// Sets the version of the last change.
    pub const fn set_ver(&mut self, ver: u64) {
        match self {
            Self::Settings(row) => row.ver = ver,
            Self::Contact(row) => row.ver = ver,
            Self::Device(row) => row.ver = ver,
            Self::DeviceSync(row) => row.ver = ver,
        }
    }
}

impl std::fmt::Display for AccountKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Settings => f.write_str("settings"),
            Self::Contact(of) => write!(f, "contact {of}"),
            Self::Device(device) => write!(f, "device {device}"),
            Self::DeviceSync(device) => write!(f, "device_sync {device}"),
        }
    }
}
