//! The people in the open channel: who is there, how they are, and what has arrived at them.

use super::{Action, App, Decision, Hold, List, Pane, decide::Lasting};
use crossterm::event::KeyCode;
use std::collections::BTreeMap;
use whimbrel::{
    Items, MemberReceipt, PresenceOf, WatchersOf,
    model::{ChannelId, MessageId, UserId},
};

/// How the people in the open channel are.
#[derive(Debug, Default)]
pub(crate) struct People {
    /// As last told.
    pub(crate) presence: BTreeMap<UserId, PresenceOf>,
    /// Who has the channel open.
    pub(crate) watchers: Option<WatchersOf>,
    /// Who has the message that was asked about.
    pub(crate) receipts: Option<(MessageId, Items<MemberReceipt>)>,
    /// Whom the server is asked about.
    asked: Vec<UserId>,
}

impl People {
    /// Returns whether somebody is online, if that is known.
    pub(crate) fn online(&self, user: &UserId) -> Option<bool> {
        self.presence.get(user)?.online
    }
}

impl App {
    fn here<'a>(&self, of: &'a std::collections::HashMap<ChannelId, Vec<UserId>>) -> &'a [UserId] {
        let open = self.open.as_ref();
        open.and_then(|open| of.get(&open.scope.cid))
            .map_or(&[], Vec::as_slice)
    }

    /// Returns who is in the open channel.
    pub(crate) fn people_here(&self) -> &[UserId] {
        self.here(&self.known.members)
    }

    /// Returns who is asked into the open channel.
    pub(crate) fn invited_here(&self) -> &[UserId] {
        self.here(&self.known.invited)
    }

    /// Returns somebody of the list of people: those who are in the channel, then those who are asked in.
    pub(crate) fn person(&self, at: usize) -> Option<&UserId> {
        self.people_here().iter().chain(self.invited_here()).nth(at)
    }

    /// Asks how the people in the open channel are, if they are others than those that were asked about.
    pub(super) fn ask_for_presence(&mut self) -> Option<Action> {
        let here = self.people_here().to_vec();
        if here == self.people.asked {
            return None;
        }
        self.people.asked.clone_from(&here);
        Some(Action::WatchPeople(here))
    }

    /// Lists the people in the open channel. Who is asked in is read again: there is no news of it.
    pub(super) fn open_people(&mut self) -> Vec<Action> {
        let Some(cid) = self.open.as_ref().map(|open| open.scope.cid.clone()) else {
            return Vec::new();
        };
        self.open_list(List::People);
        vec![Action::ReadMembers(cid)]
    }

    pub(super) fn people_key(&mut self, at: usize, key: KeyCode) -> Vec<Action> {
        let Some(user) = self.person(at).cloned() else {
            return Vec::new();
        };
        match key {
            KeyCode::Char('b') => self.toggle_hold(user, Lasting::Block),
            KeyCode::Char('m') => self.toggle_hold(user, Lasting::Mute),
            KeyCode::Char('a') if user != self.me => {
                vec![Action::Decide(Decision::Person(user, Hold::Allow))]
            }
            _ => Vec::new(),
        }
    }

    /// Shows who has the selected message, if it is the own one.
    pub(super) fn show_receipts(&mut self) -> Vec<Action> {
        let Some(message) = self
            .pane()
            .and_then(Pane::selected)
            .map(|item| &item.view.message)
        else {
            return Vec::new();
        };
        if message.author != self.me || message.is_deleted() {
            self.notify("Only of an own message it is told who has it");
            return Vec::new();
        }
        let (cid, id) = (message.cid.clone(), message.id);
        self.people.receipts = Some((id, Items::new()));
        self.open_list(List::Receipts);
        vec![Action::WatchReceipts(cid, id)]
    }

    pub(super) fn receipts_changed(&mut self, id: MessageId, items: Items<MemberReceipt>) {
        if let Some((asked, shown)) = &mut self.people.receipts
            && *asked == id
        {
            *shown = items;
        }
    }

    /// Gives up what was asked of a message when its dialog is gone.
    pub(super) fn leave_receipts(&mut self) -> Option<Action> {
        let shown = matches!(self.dialog, Some(super::Dialog::List(List::Receipts, _)));
        let over = self.people.receipts.take_if(|_| !shown);
        over.map(|_| Action::LeaveReceipts)
    }
}
