//! What a key does: everywhere, in the channel list, and in the composer.

use super::{Action, App, Dialog, Focus, Form, List, field};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tui_input::InputRequest;
use whimbrel::SyncState;

/// Rows that Page Up and Page Down move by in the channel list.
const PAGE: isize = 10;

impl App {
    pub(super) fn key(&mut self, key: KeyEvent) -> Vec<Action> {
        if key.modifiers.contains(KeyModifiers::CONTROL) && matches!(key.code, KeyCode::Char('c' | 'q')) {
            return self.stop();
        }
        if let Some(dialog) = self.take_dialog() {
            return self.dialog_key(dialog, key);
        }
        match key.code {
            KeyCode::Tab => self.step_focus(true),
            KeyCode::BackTab => self.step_focus(false),
            _ if self.focus == Focus::Composer => return self.composer_key(key),
            KeyCode::Char(c)
                if !key
                    .modifiers
                    .intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) =>
            {
                return self.command(c);
            }
            _ if self.focus == Focus::Channels => return self.channels_key(key),
            _ => return self.timeline_key(key),
        }
        Vec::new()
    }

    fn step_focus(&mut self, forward: bool) {
        let order: &[Focus] = if self.pane().is_some() {
            &[Focus::Channels, Focus::Timeline, Focus::Composer]
        } else {
            &[Focus::Channels]
        };
        let at = order.iter().position(|focus| *focus == self.focus).unwrap_or(0);
        let step = if forward { 1 } else { order.len() - 1 };
        self.focus = order[(at + step) % order.len()];
    }

    /// Carries out a letter, where letters are not text.
    fn command(&mut self, letter: char) -> Vec<Action> {
        match letter {
            '?' => self.dialog = Some(Dialog::Help(0)),
            'x' => self.open_list(List::Outbox),
            '/' => self.dialog = Some(Dialog::Filter(self.channels.filter.as_str().into())),
            'n' => self.dialog = Some(Dialog::Create(Form::default())),
            's' => self.dialog = Some(Dialog::Search),
            'T' => self.open_list(List::Threads),
            'P' if self.open.is_some() => self.open_list(List::Pins),
            'R' => {
                let at = self.open_request().unwrap_or(0);
                self.dialog = Some(Dialog::List(List::Requests, at));
            }
            'S' => self.open_list(List::Settings),
            'D' => {
                self.open_list(List::Devices);
                return vec![Action::RefreshDevices];
            }
            'w' => return self.open_people(),
            'o' => return vec![self.switch()],
            _ if self.focus == Focus::Channels => return self.channel_command(letter),
            _ if self.focus == Focus::Timeline => return self.message_command(letter),
            _ => {}
        }
        Vec::new()
    }

    /// The offline switch. Where only asking again helps, it asks again.
    fn switch(&self) -> Action {
        match self.sync {
            SyncState::Offline | SyncState::NeedsAuth { .. } | SyncState::Failed { .. } => Action::Connect,
            _ => Action::Disconnect,
        }
    }

    fn channels_key(&mut self, key: KeyEvent) -> Vec<Action> {
        let by = match key.code {
            KeyCode::Up => -1,
            KeyCode::Down => 1,
            KeyCode::PageUp => -PAGE,
            KeyCode::PageDown => PAGE,
            KeyCode::Home => isize::MIN,
            KeyCode::End => isize::MAX,
            KeyCode::Right if self.pane().is_some() => {
                self.focus = Focus::Timeline;
                return Vec::new();
            }
            KeyCode::Enter => {
                let selected = self.channels.selected.clone();
                return selected.map_or_else(Vec::new, |cid| self.open_channel(cid));
            }
            _ => return Vec::new(),
        };
        let at_end = self.channels.step(by);
        if at_end && by > 0 && self.channels.has_more {
            return vec![Action::MoreChannels(self.channels.filter.clone())];
        }
        Vec::new()
    }

    fn composer_key(&mut self, key: KeyEvent) -> Vec<Action> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        self.composer.kept.idle = 0;
        match key.code {
            KeyCode::Char('s') if control => self.composer.silent = !self.composer.silent,
            KeyCode::Char('t') if control && self.thread.is_some() => {
                self.composer.in_channel = !self.composer.in_channel;
            }
            KeyCode::Char('d') if control => self.take_beside(),
            KeyCode::Esc => {
                if !self.composer.cancel() {
                    return self.back();
                }
            }
            KeyCode::Up => self.focus = Focus::Timeline,
            KeyCode::PageUp => {
                self.focus = Focus::Timeline;
                return self.timeline_key(key);
            }
            KeyCode::Enter if key.modifiers.intersects(KeyModifiers::ALT | KeyModifiers::SHIFT) => {
                self.composer.input.handle(InputRequest::InsertChar('\n'));
            }
            KeyCode::Enter => return self.submit(),
            _ => {
                field::key(&mut self.composer.input, key);
            }
        }
        Vec::new()
    }

    /// One step back: from a thread to its channel, from there to the list.
    pub(super) fn back(&mut self) -> Vec<Action> {
        if self.thread.is_some() {
            let draft = self.leave_composer();
            self.thread = None;
            self.enter_composer();
            return draft.into_iter().chain([Action::LeaveThread]).collect();
        }
        self.focus = Focus::Channels;
        Vec::new()
    }
}
