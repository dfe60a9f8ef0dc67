use crate::{DeviceId, Invalid, Timestamp, UserId, ids::check_word, limits, op::check_number};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One of the account's devices: an installation with a database of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Whose: always the owner of the stream.
    pub user: UserId,
    /// Which.
    pub id: DeviceId,
    /// What its owner calls it, at most [`limits::DEVICE_NAME_CHARS`] characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Name and version of its software, at most [`limits::AGENT_BYTES`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub agent: String,
    /// Public key that other devices encrypt to for it, at most [`limits::DEVICE_KEY_BYTES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// When the server accepted its first registration.
    pub registered_at: Timestamp,
    /// When it was revoked. Final: the server does not speak to it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// Where it is woken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<PushToken>,
    /// Version of the last change, in the user's stream.
    #[serde(deserialize_with = "crate::number::exact")]
    pub ver: u64,
}

/// Where a device is woken by a push service.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushToken {
    /// Which service: a word that the server knows how to speak to.
    pub provider: String,
    /// What the service calls the device, at most [`limits::PUSH_TOKEN_BYTES`].
    pub token: String,
}

impl std::fmt::Debug for PushToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Whoever has the token can wake the device.
        f.debug_struct("PushToken")
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}

/// What is to change of a device. What is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceChange {
    /// A new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Wake it there, or do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<SetPush>,
}

/// Setting where a device is woken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetPush {
    /// Nowhere.
    Off,
    /// There.
    On(PushToken),
    /// No longer there: the service says that the token is good for nothing. Another one that the device has by now stays.
    Gone(PushToken),
}

/// That one device of the account asks the others for what only devices have. There is one a device: the last one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceSync {
    /// Whose: always the owner of the stream.
    pub user: UserId,
    /// Which device asks.
    pub device: DeviceId,
    /// The request. A later one of the device takes its place.
    pub request: Uuid,
    /// Public key to encrypt the answer to, at most [`limits::DEVICE_KEY_BYTES`].
    pub key: String,
    /// How far it has come.
    pub state: DeviceSyncState,
    /// When the server accepted the last change.
    pub changed_at: Timestamp,
    /// Version of the last change, in the user's stream.
    #[serde(deserialize_with = "crate::number::exact")]
    pub ver: u64,
}

/// How far a [`DeviceSync`] has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceSyncState {
    /// No device has answered.
    Asked,
    /// A device has left an answer at the server.
    Offered {
        /// Which device.
        by: DeviceId,
        /// How long the answer is, encrypted.
        #[serde(deserialize_with = "crate::number::exact")]
        bytes: u64,
        /// SHA-256 of the encrypted answer, in hexadecimal.
        sha256: String,
    },
    /// The asking device has what it wanted, or wants nothing any more.
    Done,
}

impl Device {
    /// Makes a change. Returns whether anything is different.
    pub fn change(&mut self, change: &DeviceChange) -> bool {
        let before = (self.name.clone(), self.push.clone());
        if let Some(name) = &change.name {
            self.name.clone_from(name);
        }
        match &change.push {
            Some(SetPush::Off) => self.push = None,
            Some(SetPush::On(token)) => self.push = Some(token.clone()),
            Some(SetPush::Gone(token)) if self.push.as_ref() == Some(token) => self.push = None,
            Some(SetPush::Gone(_)) | None => {}
        }
        before != (self.name.clone(), self.push.clone())
    }
}

impl DeviceChange {
    /// Returns whether what it does depends on what the device has then.
    pub(crate) const fn is_conditional(&self) -> bool {
        matches!(self.push, Some(SetPush::Gone(_)))
    }

    /// Returns the one change that does what this one and then `later` do, if neither takes away one token only.
    #[must_use]
    pub fn then(self, later: Self) -> Self {
        Self {
            name: later.name.or(self.name),
            push: later.push.or(self.push),
        }
    }

    pub(crate) fn validate(&self) -> Result<(), Invalid> {
        if *self == Self::default() {
            return Err(Invalid::new("change", "must name name or push"));
        }
        if let Some(name) = &self.name {
            limits::check_chars("name", name, limits::DEVICE_NAME_CHARS)?;
        }
        match &self.push {
            Some(
                SetPush::On(PushToken { provider, token }) | SetPush::Gone(PushToken { provider, token }),
            ) => {
                check_word("provider", provider)?;
                limits::check_bytes("token", token, limits::PUSH_TOKEN_BYTES)
            }
            _ => Ok(()),
        }
    }
}

pub(crate) fn check_registration(name: &str, agent: &str, key: Option<&String>) -> Result<(), Invalid> {
    limits::check_chars("name", name, limits::DEVICE_NAME_CHARS)?;
    limits::check_bytes("agent", agent, limits::AGENT_BYTES)?;
    key.map_or(Ok(()), |key| {
        limits::check_bytes("key", key, limits::DEVICE_KEY_BYTES)
    })
}

pub(crate) fn check_offer(bytes: u64, sha256: &str) -> Result<(), Invalid> {
    check_number("bytes", bytes)?;
    if sha256.len() != 64 || !sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Invalid::new("sha256", "must be 64 hexadecimal digits"));
    }
    Ok(())
}
