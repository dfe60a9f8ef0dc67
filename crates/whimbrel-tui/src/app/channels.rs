//! The channel list and its selection, which stays with the channel when the list moves.

use super::Action;
use std::collections::HashMap;
use whimbrel::{ChannelItem, Items, UnreadTotals, model::ChannelId};

#[derive(Debug, Default)]
pub(crate) struct Channels {
    pub(crate) items: Items<ChannelItem>,
    pub(crate) has_more: bool,
    pub(crate) selected: Option<ChannelId>,
    /// In all channels, those that are not loaded included.
    pub(crate) unread: UnreadTotals,
    /// The word that the names complete. Empty: all channels are listed.
    pub(crate) filter: String,
    /// Names that were listed or read: the filter may hide the channel that is open, or that a hit is in.
    names: HashMap<ChannelId, String>,
}

impl Channels {
    pub(crate) fn put(&mut self, items: Items<ChannelItem>, has_more: bool) {
        let names = items.iter().map(|item| (item.cid.clone(), item.name.clone()));
        self.names.extend(names);
        let before = self.index().unwrap_or(0);
        self.items = items;
        self.has_more = has_more;
        if self.index().is_none() {
            // What was selected is gone, to the archive say: the next one is.
            let next = before.min(self.items.len().saturating_sub(1));
            self.selected = self.items.get(next).map(|item| item.cid.clone());
        }
    }

    /// Takes the name of a channel that need not be listed.
    pub(crate) fn put_name(&mut self, cid: ChannelId, name: String) {
        self.names.insert(cid, name);
    }

    /// Returns those of `channels` whose names were not listed and not asked for.
    pub(super) fn ask_for_names<'a>(&mut self, channels: impl Iterator<Item = &'a ChannelId>) -> Vec<Action> {
        let mut actions = Vec::new();
        for cid in channels {
            if !self.names.contains_key(cid) {
                self.names.insert(cid.clone(), String::new());
                actions.push(Action::ReadName(cid.clone()));
            }
        }
        actions
    }

    pub(crate) fn get(&self, cid: &ChannelId) -> Option<&ChannelItem> {
        self.items
            .iter()
            .find(|item| item.cid == *cid)
            .map(|item| &**item)
    }

    /// Returns the index of the selected row.
    pub(crate) fn index(&self) -> Option<usize> {
        let selected = self.selected.as_ref()?;
        self.items.iter().position(|item| item.cid == *selected)
    }

    /// Moves the selection by some rows. Returns whether it stands at the end.
    pub(crate) fn step(&mut self, by: isize) -> bool {
        let last = self.items.len().saturating_sub(1);
        let index = self.index().unwrap_or(0).saturating_add_signed(by).min(last);
        self.selected = self.items.get(index).map(|item| item.cid.clone());
        index == last
    }

    /// Returns what to call a channel.
    pub(crate) fn title(&self, cid: &ChannelId) -> String {
        let name = self.names.get(cid).map(String::as_str).unwrap_or_default();
        let name = if name.trim().is_empty() {
            cid.local_id()
        } else {
            name
        };
        crate::text::one_line(name)
    }
}
