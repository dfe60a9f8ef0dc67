//! The pinned messages of the open channel.

use super::{Action, App, known};
use crossterm::event::KeyCode;
use whimbrel::{
    Items,
    model::{
        ChannelId, MessageId,
        overlay::{MessageStatus, MessageView},
    },
};

/// The last pinned first.
#[derive(Debug, Default)]
pub(crate) struct PinList {
    pub(crate) items: Items<MessageView>,
}

impl PinList {
    pub(crate) fn has(&self, id: MessageId) -> bool {
        self.items.iter().any(|view| view.message.id == id)
    }
}

impl App {
    pub(super) fn pins_changed(&mut self, cid: ChannelId, items: Items<MessageView>) -> Vec<Action> {
        if self.open.as_ref().is_none_or(|open| open.scope.cid != cid) {
            return Vec::new();
        }
        let pins = items.iter().filter_map(|view| view.message.pinned.as_ref());
        let people = pins.map(|pin| &pin.by);
        let people = people.chain(items.iter().map(|view| &view.message.author));
        let unknown = self.known.ask_for_users(people);
        self.pins = PinList { items };
        known::read_users(unknown)
    }

    pub(super) fn pins_key(&mut self, at: usize, key: KeyCode) -> Vec<Action> {
        let Some(message) = self.pins.items.get(at).map(|view| view.message.clone()) else {
            return Vec::new();
        };
        match key {
            KeyCode::Enter => {
                self.dialog = None;
                match message.parent.filter(|_| !message.is_in_channel()) {
                    Some(parent) => self.show_thread(parent, None, Some(message.id)),
                    None => self.go_to(message.cid, message.id),
                }
            }
            KeyCode::Char('p') => vec![Action::PinMessage(message.cid, message.id, false)],
            _ => Vec::new(),
        }
    }

    /// Pins a message for everyone, or takes its pin back.
    pub(super) fn toggle_pin(&mut self, view: &MessageView) -> Vec<Action> {
        let message = &view.message;
        if view.status != MessageStatus::Sent {
            self.notify("Only a message that was sent can be pinned");
            return Vec::new();
        }
        let pin = !self.pins.has(message.id);
        vec![Action::PinMessage(message.cid.clone(), message.id, pin)]
    }
}
