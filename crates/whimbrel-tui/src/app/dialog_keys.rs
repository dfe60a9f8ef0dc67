//! What a key does in a dialog.

use super::{Action, App, Dialog, Focus, Form, QUICK_REACTIONS, field, listing};
use crossterm::event::{KeyCode, KeyEvent};
use std::mem;
use tui_input::Input;
use whimbrel::{
    NewChannel,
    model::{ChannelId, MessageId, ReactionType, UserId},
};

impl App {
    pub(super) fn dialog_key(&mut self, dialog: Dialog, key: KeyEvent) -> Vec<Action> {
        if key.code == KeyCode::Esc {
            return match dialog {
                Dialog::Filter(_) => self.filter_channels(String::new()),
                _ => Vec::new(),
            };
        }
        match dialog {
            Dialog::Filter(input) => self.filter_key(input, key),
            Dialog::Help(from) => self.help_key(from, key),
            Dialog::List(list, at) => self.list_key(list, at, key),
            Dialog::Search => self.search_key(key),
            Dialog::Explanation(_) => Vec::new(),
            Dialog::Delete(id) => match (key.code, self.pane()) {
                (KeyCode::Char('y' | 'Y'), Some(pane)) => vec![Action::Delete(pane.scope.cid.clone(), id)],
                _ => Vec::new(),
            },
            Dialog::HowLong(lasting, user) => self.how_long_key(lasting, user, key.code),
            Dialog::Rename(device, input) => self.rename_key(device, input, key),
            Dialog::Revoke(device) => self.revoke_key(device, key.code),
            Dialog::React(id, input) => self.react_key(id, input, key),
            Dialog::Create(form) => self.create_key(form, key),
        }
    }

    /// The arrows scroll, anything else closes.
    fn help_key(&mut self, from: usize, key: KeyEvent) -> Vec<Action> {
        let page = usize::from(self.size.1 / 2).max(1);
        let from = match key.code {
            KeyCode::Up => from.saturating_sub(1),
            KeyCode::Down => from + 1,
            KeyCode::PageUp => from.saturating_sub(page),
            KeyCode::PageDown => from + page,
            _ => return Vec::new(),
        };
        self.dialog = Some(Dialog::Help(from.min(crate::draw::help_scroll(self.size.1))));
        Vec::new()
    }

    fn react_key(&mut self, id: MessageId, mut input: Input, key: KeyEvent) -> Vec<Action> {
        let quick = match key.code {
            KeyCode::Char(c) if input.value().is_empty() => c
                .to_digit(10)
                .and_then(|digit| QUICK_REACTIONS.get((digit as usize).checked_sub(1)?)),
            _ => None,
        };
        if let Some(kind) = quick {
            return self.toggle_reaction(id, kind);
        }
        if key.code == KeyCode::Enter {
            let kind = input.value().trim().to_owned();
            if kind.is_empty() {
                return Vec::new();
            }
            match ReactionType::new(&kind) {
                Ok(kind) => return self.toggle_reaction(id, kind.as_str()),
                Err(error) => self.notify(error.to_string()),
            }
        }
        field::key(&mut input, key);
        self.dialog = Some(Dialog::React(id, input));
        Vec::new()
    }

    /// Adds the own reaction, or takes it back if it is there.
    fn toggle_reaction(&self, id: MessageId, kind: &str) -> Vec<Action> {
        let Some(pane) = self.pane() else {
            return Vec::new();
        };
        let parent = self.thread.as_ref().and_then(|thread| thread.parent.as_ref());
        let item = pane
            .find(id)
            .or_else(|| parent.filter(|parent| parent.id() == id));
        let mine = item.is_some_and(|item| {
            item.reactions
                .iter()
                .any(|group| group.mine && group.kind.as_str() == kind)
        });
        let (cid, kind) = (pane.scope.cid.clone(), kind.to_owned());
        vec![if mine {
            Action::Unreact(cid, id, kind)
        } else {
            Action::React(cid, id, kind)
        }]
    }

    /// The list follows each letter. Enter keeps it so.
    fn filter_key(&mut self, mut input: Input, key: KeyEvent) -> Vec<Action> {
        if key.code == KeyCode::Enter {
            return Vec::new();
        }
        field::key(&mut input, key);
        let word = input.value().trim().to_owned();
        self.dialog = Some(Dialog::Filter(input));
        self.filter_channels(word)
    }

    /// Lists what a query wants. One that cannot be read, or not yet, changes nothing.
    fn filter_channels(&mut self, word: String) -> Vec<Action> {
        if self.channels.filter == word || listing::filter(&word).is_err() {
            return Vec::new();
        }
        self.channels.filter.clone_from(&word);
        if !word.is_empty() {
            // The first of what is found is selected.
            self.channels.selected = None;
        }
        vec![Action::FilterChannels(word)]
    }

    fn create_key(&mut self, mut form: Form, key: KeyEvent) -> Vec<Action> {
        form.problem = None;
        match key.code {
            KeyCode::Tab | KeyCode::Down => form.step(true),
            KeyCode::BackTab | KeyCode::Up => form.step(false),
            KeyCode::Enter if form.at + 1 < form.fields.len() => form.step(true),
            KeyCode::Enter => match read(&form) {
                Ok((cid, new)) => {
                    let mut actions = vec![Action::Create(cid.clone(), new)];
                    actions.extend(self.open_channel(cid));
                    return actions;
                }
                Err(problem) => form.problem = Some(problem),
            },
            _ => {
                field::key(form.field(), key);
            }
        }
        self.dialog = Some(Dialog::Create(form));
        Vec::new()
    }

    pub(super) fn paste(&mut self, text: &str) -> Vec<Action> {
        let writes = self.pane().is_some() && self.focus == Focus::Composer;
        match &mut self.dialog {
            None if writes => field::paste(&mut self.composer.input, text, true),
            Some(Dialog::React(_, input) | Dialog::Rename(_, input)) => field::paste(input, text, false),
            Some(Dialog::Create(form)) => field::paste(form.field(), text, false),
            Some(Dialog::Search) => {
                field::paste(&mut self.search.input, text, false);
                return self.search_typed();
            }
            Some(Dialog::Filter(input)) => {
                field::paste(input, text, false);
                let word = input.value().trim().to_owned();
                return self.filter_channels(word);
            }
            _ => {}
        }
        Vec::new()
    }
}

/// Reads the form. An id without a type is one of `messaging`; members are separated by commas or spaces.
fn read(form: &Form) -> Result<(ChannelId, NewChannel), String> {
    let [id, name, members] = &form.fields;
    let id = id.value().trim();
    let cid = if id.contains(':') {
        ChannelId::new(id)
    } else {
        ChannelId::new(format!("messaging:{id}"))
    };
    let members = members
        .value()
        .split([',', ' '])
        .filter(|member| !member.is_empty())
        .map(UserId::new)
        .collect::<Result<_, _>>();
    let new = NewChannel {
        name: name.value().trim().to_owned(),
        members: members.map_err(|error| error.to_string())?,
        ..NewChannel::default()
    };
    Ok((cid.map_err(|error| error.to_string())?, new))
}

impl App {
    /// Takes the dialog away for the time of one key: what wants to stay puts itself back.
    pub(super) fn take_dialog(&mut self) -> Option<Dialog> {
        mem::take(&mut self.dialog)
    }
}
