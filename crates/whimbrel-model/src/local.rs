//! What a device keeps for itself and no server has: the app's settings, and what is on its way between devices.

use crate::{DeviceId, Invalid, limits};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};
use uuid::Uuid;
use zeroize::Zeroize as _;

/// What a device keeps for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Local {
    /// The app's settings of this device, by key.
    pub settings: BTreeMap<String, String>,
    /// What is on its way between this device and another one, by request.
    pub transfers: BTreeMap<Uuid, Transfer>,
}

/// A change of [`Local`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalChange {
    /// Sets a setting, or removes it.
    Setting(String, Option<String>),
    /// Puts a transfer: a new one, or a new state of one.
    Transfer(Transfer),
    /// Puts the bytes of a transfer that begin at an offset.
    TransferPart {
        /// Of which transfer.
        request: Uuid,
        /// Where they begin.
        offset: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Forgets a transfer with its bytes.
    TransferOver(Uuid),
}

/// An archive on its way between two devices of the account, encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// The request that it answers.
    pub request: Uuid,
    /// Which way it goes.
    pub way: TransferWay,
    /// How many of its bytes are on this device, from its beginning.
    pub stored: u64,
}

/// Which way a [`Transfer`] goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferWay {
    /// To this device.
    In {
        /// What it is decrypted with.
        key: SecretText,
    },
    /// To another device.
    Out {
        /// To which.
        to: DeviceId,
        /// SHA-256 of the whole, in hexadecimal.
        sha256: String,
    },
}

/// A text that nobody is to see: it is not printed, and is overwritten in memory when it is dropped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretText(String);

impl SecretText {
    /// Wraps a secret.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// Returns the secret itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

impl Drop for SecretText {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Local {
    /// Makes a change. The bytes of transfers are not in here.
    pub fn change(&mut self, change: &LocalChange) {
        match change {
            LocalChange::Setting(key, Some(value)) => {
                self.settings.insert(key.clone(), value.clone());
            }
            LocalChange::Setting(key, None) => {
                self.settings.remove(key);
            }
            LocalChange::Transfer(transfer) => {
                self.transfers.insert(transfer.request, transfer.clone());
            }
            LocalChange::TransferPart { .. } => {}
            LocalChange::TransferOver(request) => {
                self.transfers.remove(request);
            }
        }
    }

    /// Checks that a setting may be set beside the others.
    ///
    /// # Errors
    /// [`Invalid`] for an empty key, or one of more than [`limits::LOCAL_KEY_BYTES`], or if all settings would have more than
    /// [`limits::LOCAL_SETTINGS_BYTES`].
    pub fn check_setting(&self, key: &str, value: &str) -> Result<(), Invalid> {
        if key.is_empty() {
            return Err(Invalid::new("key", "must not be empty"));
        }
        if key.len() > limits::LOCAL_KEY_BYTES {
            return Err(Invalid::too_large(
                "key",
                key.len(),
                limits::LOCAL_KEY_BYTES,
                "bytes",
            ));
        }
        let others = self.settings.iter().filter(|(other, _)| *other != key);
        let others: usize = others.map(|(key, value)| key.len() + value.len()).sum();
        let total = others + key.len() + value.len();
        if total > limits::LOCAL_SETTINGS_BYTES {
            let most = limits::LOCAL_SETTINGS_BYTES;
            return Err(Invalid::too_large("settings", total, most, "bytes"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        let transfer = Transfer {
            request: Uuid::nil(),
            way: TransferWay::In {
                key: SecretText::new("hush".to_owned()),
            },
            stored: 0,
        };
        assert!(!format!("{transfer:?}").contains("hush"));
    }

    #[test]
    fn settings_are_bounded_together_and_replacing_one_counts_once() {
        let mut local = Local::default();
        let half = "x".repeat(limits::LOCAL_SETTINGS_BYTES / 2);
        for key in ["one", "two"] {
            let fits = local.check_setting(key, &half);
            assert_eq!(fits.is_ok(), key == "one", "{key}");
            if fits.is_ok() {
                local.change(&LocalChange::Setting(key.to_owned(), Some(half.clone())));
            }
        }
        assert!(local.check_setting("one", &half).is_ok());
        assert!(local.check_setting("", "").is_err());
        assert!(
            local
                .check_setting(&"k".repeat(limits::LOCAL_KEY_BYTES + 1), "")
                .is_err()
        );
    }
}
