//! The dialogs that are lists: one row of them is chosen, and letters do something with it.

use super::{Action, App, Dialog, SETTINGS};
use crossterm::event::{KeyCode, KeyEvent};

/// Rows that Page Up and Page Down move by.
const PAGE: usize = 10;

/// What a list dialog lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    /// What waits for the server, and what it rejected.
    Outbox,
    /// The followed threads.
    Threads,
    /// The pinned messages of the open channel.
    Pins,
    /// What waits for a decision.
    Requests,
    /// The people in the open channel.
    People,
    /// Who has a message.
    Receipts,
    /// The account's devices.
    Devices,
    /// The account's settings.
    Settings,
}

impl List {
    /// The letter that opens it, and closes it again.
    const fn letter(self) -> char {
        match self {
            Self::Outbox => 'x',
            Self::Threads => 'T',
            Self::Pins => 'P',
            Self::Requests => 'R',
            Self::People => 'w',
            Self::Receipts => 'v',
            Self::Devices => 'D',
            Self::Settings => 'S',
        }
    }
}

impl App {
    pub(super) fn open_list(&mut self, list: List) {
        self.dialog = Some(Dialog::List(list, 0));
    }

    /// Returns how many rows a list has.
    pub(crate) fn rows_of(&self, list: List) -> usize {
        match list {
            List::Outbox => self.outbox.items.len(),
            List::Threads => self.threads.items.len(),
            List::Pins => self.pins.items.len(),
            List::Requests => self.requests.items.len(),
            List::People => self.people_here().len() + self.invited_here().len(),
            List::Receipts => self.people.receipts.as_ref().map_or(0, |(_, items)| items.len()),
            List::Devices => self.devices.len(),
            List::Settings => SETTINGS.len(),
        }
    }

    /// Moves in a list, closes it, or does something with the row that is chosen.
    pub(super) fn list_key(&mut self, list: List, at: usize, key: KeyEvent) -> Vec<Action> {
        let last = self.rows_of(list).saturating_sub(1);
        let at = match key.code {
            KeyCode::Up => at.saturating_sub(1),
            KeyCode::Down => at.saturating_add(1),
            KeyCode::PageUp => at.saturating_sub(PAGE),
            KeyCode::PageDown => at.saturating_add(PAGE),
            KeyCode::Home => 0,
            KeyCode::End => last,
            KeyCode::Char(letter) if letter == 'q' || letter == list.letter() => return Vec::new(),
            _ => at,
        };
        let at = at.min(last);
        self.dialog = Some(Dialog::List(list, at));
        match list {
            List::Outbox => self.outbox_key(at, key.code),
            List::Threads => self.threads_key(at, key.code),
            List::Pins => self.pins_key(at, key.code),
            List::Requests => self.requests_key(at, key.code),
            List::People => self.people_key(at, key.code),
            List::Receipts => Vec::new(),
            List::Devices => self.devices_key(at, key.code),
            List::Settings => self.settings_key(at, key.code),
        }
    }

    fn outbox_key(&self, at: usize, key: KeyCode) -> Vec<Action> {
        let chosen = self.outbox.items.get(at).map(|item| item.id);
        let action = match key {
            KeyCode::Char('r' | 'R') => chosen.map(Action::Retry),
            KeyCode::Char('d' | 'D') => chosen.map(Action::Discard),
            _ => None,
        };
        action.into_iter().collect()
    }
}
