//! The account's devices.

use super::{Action, App, Decision, Dialog, List, field};
use crossterm::event::{KeyCode, KeyEvent};
use tui_input::Input;
use whimbrel::{DeviceSyncState, model::DeviceId};

impl App {
    pub(super) fn devices_key(&mut self, at: usize, key: KeyCode) -> Vec<Action> {
        let Some(item) = self.devices.get(at).cloned() else {
            return Vec::new();
        };
        match key {
            KeyCode::Char('n' | 'r') if item.is_revoked() => self.notify("It is revoked already"),
            KeyCode::Char('n') => {
                self.dialog = Some(Dialog::Rename(item.id(), item.device.name.as_str().into()));
            }
            KeyCode::Char('r') if item.is_this => {
                self.notify("This is the device in your hands: revoke it from another one");
            }
            KeyCode::Char('r') => self.dialog = Some(Dialog::Revoke(item.id())),
            KeyCode::Char('s') => return vec![Action::AskDevices],
            KeyCode::Char('u') => return vec![Action::RefreshDevices],
            _ => {}
        }
        Vec::new()
    }

    pub(super) fn device_sync_changed(&mut self, state: DeviceSyncState) {
        if matches!(state, DeviceSyncState::Done(_)) && self.device_sync != state {
            self.notify("What only another device of yours had is here now");
        }
        self.device_sync = state;
    }

    pub(super) fn rename_key(&mut self, device: DeviceId, mut input: Input, key: KeyEvent) -> Vec<Action> {
        if key.code != KeyCode::Enter {
            field::key(&mut input, key);
            self.dialog = Some(Dialog::Rename(device, input));
            return Vec::new();
        }
        let name = input.value().trim().to_owned();
        self.back_to_device(device);
        vec![Action::Decide(Decision::RenameDevice(device, name))]
    }

    /// Only `y` revokes.
    pub(super) fn revoke_key(&mut self, device: DeviceId, key: KeyCode) -> Vec<Action> {
        self.back_to_device(device);
        match key {
            KeyCode::Char('y' | 'Y') => vec![Action::Decide(Decision::RevokeDevice(device))],
            _ => Vec::new(),
        }
    }

    fn back_to_device(&mut self, device: DeviceId) {
        let at = self.devices.iter().position(|item| item.id() == device);
        self.dialog = Some(Dialog::List(List::Devices, at.unwrap_or(0)));
    }

    /// Returns what a device is called: its name, the software on it, or the beginning of its id.
    pub(crate) fn device_name(&self, device: DeviceId) -> String {
        let known = self.account.devices.get(&device);
        let words = known.map_or("", |known| match known.name.trim() {
            "" => known.agent.trim(),
            name => name,
        });
        match words {
            "" => format!(
                "device {}",
                device.to_string().split('-').next().unwrap_or_default()
            ),
            words => crate::text::one_line(words),
        }
    }
}
