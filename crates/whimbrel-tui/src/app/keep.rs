//! How the account keeps a channel: pinned, archived, hidden, muted.

use super::{Action, App};
use whimbrel::{ChannelItem, model::Timestamp};

/// A change of how a channel is kept, on every device of the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// First in the list, or not.
    Pinned(bool),
    /// In the archive, or not.
    Archived(bool),
    /// Out of sight until something new comes, or not.
    Hidden(bool),
    /// Counted in no total, or counted.
    Muted(bool),
}

/// Returns whether a channel is muted now.
pub(crate) fn is_muted(item: &ChannelItem, now: Timestamp) -> bool {
    item.muted
        .is_some_and(|mute| mute.until.is_none_or(|until| until > now))
}

impl App {
    /// Carries out a letter on the selected channel.
    pub(super) fn channel_command(&mut self, letter: char) -> Vec<Action> {
        let selected = self.channels.selected.as_ref();
        let Some(item) = selected.and_then(|cid| self.channels.get(cid)) else {
            return Vec::new();
        };
        let (keep, notice) = match letter {
            'p' => (Keep::Pinned(item.pinned_at.is_none()), None),
            'a' if item.archived => (Keep::Archived(false), None),
            'a' => (
                Keep::Archived(true),
                Some("In the archive: /archived:true lists it"),
            ),
            'h' if item.hidden => (Keep::Hidden(false), None),
            'h' => (
                Keep::Hidden(true),
                Some("Hidden until something new comes: /hidden:true lists it"),
            ),
            'm' => (Keep::Muted(!is_muted(item, self.now)), None),
            _ => return Vec::new(),
        };
        let cid = item.cid.clone();
        if let Some(notice) = notice {
            self.notify(notice);
        }
        vec![Action::Keep(cid, keep)]
    }
}
