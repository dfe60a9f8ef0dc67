use crate::{Custom, Invalid, UserId, limits};
use serde::{Deserialize, Serialize};

/// How an account wants to be shown and what it lets others see, on all its devices.
///
/// A switch holds for what happens from then on: what others have seen they have seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Whose: always the owner of the stream.
    pub user: UserId,
    /// Whether the user looks offline to others, until it is unset.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub invisible: bool,
    /// Free text beside the user's presence, at most [`limits::STATUS_CHARS`] characters. Empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// App-defined data beside the user's presence, at most [`limits::PRESENCE_BYTES`] encoded.
    #[serde(default, skip_serializing_if = "Custom::is_empty")]
    pub custom: Custom,
    /// Whether others are told that the user types, and the user that others do.
    #[serde(default = "on", skip_serializing_if = "is_on")]
    pub typing_indicators: bool,
    /// Whether others see how far the user has read.
    #[serde(default = "on", skip_serializing_if = "is_on")]
    pub read_receipts: bool,
    /// Whether others see what has reached a device of the user.
    #[serde(default = "on", skip_serializing_if = "is_on")]
    pub delivery_receipts: bool,
    /// Whether others see which of the user's devices it has reached.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub device_receipts: bool,
    /// Version of the last change, in the user's stream.
    #[serde(deserialize_with = "crate::number::exact")]
    pub ver: u64,
}

/// What is to change of an account's settings. What is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsChange {
    /// Look offline to others, or do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invisible: Option<bool>,
    /// New free text. Empty: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// New data beside the presence, as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom: Option<Custom>,
    /// Tell that the user types, or do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typing_indicators: Option<bool>,
    /// Show how far the user reads, or do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_receipts: Option<bool>,
    /// Show what reaches the user, or do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_receipts: Option<bool>,
    /// Show which device it reaches, or do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_receipts: Option<bool>,
}

impl Settings {
    /// Creates the settings of an account that has set nothing: seen, without a text, with all receipts but those of each device.
    #[must_use]
    pub fn new(user: UserId) -> Self {
        Self {
            user,
            invisible: false,
            status: String::new(),
            custom: Custom::default(),
            typing_indicators: true,
            read_receipts: true,
            delivery_receipts: true,
            device_receipts: false,
            ver: 0,
        }
    }

    /// Makes a change. Returns whether anything is different.
    pub fn change(&mut self, change: &SettingsChange) -> bool {
        let before = self.clone();
        let SettingsChange {
            invisible,
            status,
            custom,
            typing_indicators,
            read_receipts,
            delivery_receipts,
            device_receipts,
        } = change.clone();
        self.invisible = invisible.unwrap_or(self.invisible);
        if let Some(status) = status {
            self.status = status;
        }
        if let Some(custom) = custom {
            self.custom = custom;
        }
        self.typing_indicators = typing_indicators.unwrap_or(self.typing_indicators);
        self.read_receipts = read_receipts.unwrap_or(self.read_receipts);
        self.delivery_receipts = delivery_receipts.unwrap_or(self.delivery_receipts);
        self.device_receipts = device_receipts.unwrap_or(self.device_receipts);
        before != *self
    }
}

impl SettingsChange {
    /// Returns the one change that does what this one and then `later` do.
    #[must_use]
    pub fn then(self, later: Self) -> Self {
        Self {
            invisible: later.invisible.or(self.invisible),
            status: later.status.or(self.status),
            custom: later.custom.or(self.custom),
            typing_indicators: later.typing_indicators.or(self.typing_indicators),
            read_receipts: later.read_receipts.or(self.read_receipts),
            delivery_receipts: later.delivery_receipts.or(self.delivery_receipts),
            device_receipts: later.device_receipts.or(self.device_receipts),
        }
    }

    pub(crate) fn validate(&self) -> Result<(), Invalid> {
        if *self == Self::default() {
            return Err(Invalid::new("change", "must name at least one setting"));
        }
        if let Some(status) = &self.status {
            limits::check_chars("status", status, limits::STATUS_CHARS)?;
        }
        match &self.custom {
            Some(custom) => custom.validate_within("custom", limits::PRESENCE_BYTES),
            None => Ok(()),
        }
    }
}

const fn on() -> bool {
    true
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes the field by reference"
)]
const fn is_on(switch: &bool) -> bool {
    *switch
}
