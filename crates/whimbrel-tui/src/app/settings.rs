//! The account's settings: what others see of the user.

use super::{Action, App, Decision};
use crossterm::event::KeyCode;
use whimbrel::model::{Settings, SettingsChange};

/// One switch.
pub(crate) struct Setting {
    pub(crate) label: &'static str,
    pub(crate) what: &'static str,
    pub(crate) get: fn(&Settings) -> bool,
    set: fn(&mut SettingsChange, bool),
}

/// All switches, in the order of the dialog.
pub(crate) const SETTINGS: [Setting; 5] = [
    Setting {
        label: "Invisible",
        what: "others see you offline, and nothing of when you were here",
        get: |settings| settings.invisible,
        set: |change, on| change.invisible = Some(on),
    },
    Setting {
        label: "Read receipts",
        what: "others see how far you have read",
        get: |settings| settings.read_receipts,
        set: |change, on| change.read_receipts = Some(on),
    },
    Setting {
        label: "Delivery receipts",
        what: "others see what has arrived at you",
        get: |settings| settings.delivery_receipts,
        set: |change, on| change.delivery_receipts = Some(on),
    },
    Setting {
        label: "Receipts of each device",
        what: "others see on which of your devices it has arrived",
        get: |settings| settings.device_receipts,
        set: |change, on| change.device_receipts = Some(on),
    },
    Setting {
        label: "Typing",
        what: "others see when you type",
        get: |settings| settings.typing_indicators,
        set: |change, on| change.typing_indicators = Some(on),
    },
];

impl App {
    /// Switches a setting.
    pub(super) fn settings_key(&self, at: usize, key: KeyCode) -> Vec<Action> {
        let Some(setting) = SETTINGS.get(at) else {
            return Vec::new();
        };
        if !matches!(key, KeyCode::Enter | KeyCode::Char(' ')) {
            return Vec::new();
        }
        let mut change = SettingsChange::default();
        (setting.set)(&mut change, !(setting.get)(&self.account.settings));
        vec![Action::Decide(Decision::Settings(change))]
    }
}
