//! What waits for a decision: channels that others brought the account into, and invitations.

use super::{Action, App, Decision, Pane, decide::Lasting, known};
use crossterm::event::KeyCode;
use whimbrel::{
    ChannelItem, Items,
    model::{ChannelId, ConsentState},
};

/// The one with the newest message first.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    pub(crate) items: Items<ChannelItem>,
    pub(crate) has_more: bool,
}

impl Requests {
    /// Returns the request that a channel is, if it is one.
    pub(crate) fn get(&self, cid: &ChannelId) -> Option<&ChannelItem> {
        let found = self.items.iter().find(|item| item.cid == *cid);
        found.map(|item| &**item)
    }
}

impl App {
    pub(super) fn requests_changed(&mut self, items: Items<ChannelItem>, has_more: bool) -> Vec<Action> {
        let authors = items.iter().filter_map(|item| item.last_message.as_ref());
        let authors = authors.map(|view| &view.message.author);
        let people = items.iter().filter_map(|item| item.added_by.as_ref());
        let unknown = self.known.ask_for_users(people.chain(authors));
        for item in items.iter() {
            let invited = item.invite.as_ref().map(|invite| &invite.name);
            let name = invited.filter(|_| item.name.is_empty()).unwrap_or(&item.name);
            self.channels.put_name(item.cid.clone(), name.clone());
        }
        self.requests = Requests { items, has_more };
        self.note_request();
        known::read_users(unknown)
    }

    pub(super) fn requests_key(&mut self, at: usize, key: KeyCode) -> Vec<Action> {
        let Some(item) = self.requests.items.get(at).cloned() else {
            return Vec::new();
        };
        let (cid, invited) = (item.cid.clone(), item.invite.is_some());
        let decision = match key {
            KeyCode::Enter if invited => {
                self.notify("Answer first: a accepts, d rejects");
                return Vec::new();
            }
            KeyCode::Enter => {
                self.dialog = None;
                return self.open_channel(cid);
            }
            KeyCode::Char('b') => {
                return match item.added_by.clone() {
                    Some(user) => self.toggle_hold(user, Lasting::Block),
                    None => Vec::new(),
                };
            }
            KeyCode::Char('a') if invited => Decision::Answer(cid, true),
            KeyCode::Char('d') if invited => Decision::Answer(cid, false),
            KeyCode::Char('a') => Decision::Consent(cid, ConsentState::Allowed),
            KeyCode::Char('d') => Decision::Consent(cid, ConsentState::Denied),
            KeyCode::Down | KeyCode::PageDown | KeyCode::End
                if at + 1 == self.requests.items.len() && self.requests.has_more =>
            {
                return vec![Action::MoreRequests];
            }
            _ => return Vec::new(),
        };
        vec![Action::Decide(decision)]
    }

    /// Returns the index of the open channel among the requests.
    pub(super) fn open_request(&self) -> Option<usize> {
        let open = self.open.as_ref()?;
        self.requests
            .items
            .iter()
            .position(|item| item.cid == open.scope.cid)
    }

    /// Takes note that the open channel waits for a decision, if it does.
    pub(super) fn note_request(&mut self) {
        if let Some(open) = &mut self.open {
            open.is_request |= self.requests.get(&open.scope.cid).is_some();
        }
    }

    /// Returns whether a channel has been let in: what is read of any other is nobody's business.
    pub(super) fn is_let_in(&self, pane: &Pane) -> bool {
        match self.channels.get(&pane.scope.cid) {
            Some(item) => item.consent == ConsentState::Allowed,
            // Of what was a request and is in neither list it is not known: it may be denied.
            None => !pane.is_request,
        }
    }
}
