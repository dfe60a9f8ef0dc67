//! The least store that there can be, with what it holds as JSON where a real one does.

use std::collections::BTreeMap;
use whimbrel_model::{
    Account, AccountRow, Change, ChannelId, Contact, Cursor, Delta, Head, Loaded, Local, Membership, OpId,
    OutboxItem, Row, StreamId, Timestamp, UserId,
};

#[derive(Debug, Default)]
pub(super) struct Disk {
    memberships: BTreeMap<ChannelId, Membership>,
    contacts: BTreeMap<UserId, Contact>,
    account: Option<Account>,
    pub(super) cursors: BTreeMap<StreamId, Cursor>,
    heads: BTreeMap<StreamId, Head>,
    ranges: BTreeMap<ChannelId, String>,
    heads_token: Option<String>,
    synced_at: Option<Timestamp>,
    pub(super) outbox: BTreeMap<OpId, OutboxItem>,
    local: Local,
}

impl Disk {
    /// Reads everything back, as after a restart.
    pub(super) fn loaded(&self) -> Loaded {
        let runs = |text: &String| serde_json::from_str(text).expect("stored runs can be read back");
        let mut outbox: Vec<OutboxItem> = self.outbox.values().cloned().collect();
        for item in &mut outbox {
            let op = serde_json::to_string(&item.op).expect("an operation can be stored");
            item.op = serde_json::from_str(&op).expect("a stored operation can be read back");
        }
        outbox.sort_by_key(|item| item.pos);
        Loaded {
            account: self.account.clone(),
            cursors: self.cursors.clone(),
            heads: self.heads.clone(),
            ranges: self
                .ranges
                .iter()
                .map(|(cid, text)| (cid.clone(), runs(text)))
                .collect(),
            heads_token: self.heads_token.clone(),
            synced_at: self.synced_at,
            outbox,
            local: self.local.clone(),
            memberships: self.memberships.values().cloned().collect(),
            contacts: self.contacts.values().cloned().collect(),
            ..Loaded::default()
        }
    }

    /// Returns an operation of the outbox, if there are any.
    pub(super) fn nth(&self, number: usize) -> Option<OpId> {
        self.outbox.keys().nth(number % self.outbox.len().max(1)).copied()
    }

    pub(super) fn apply(&mut self, delta: &Delta) {
        for change in &delta.changes {
            self.change(change);
        }
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::Account(account) => self.account = Some(account.clone()),
            Change::Row(Row::Membership(row)) => drop(self.memberships.insert(row.cid.clone(), row.clone())),
            Change::Row(Row::Account(AccountRow::Contact(row))) => {
                self.contacts.insert(row.of.clone(), row.clone());
            }
            Change::Row(_) => {}
            Change::Cursor(id, cursor) => drop(self.cursors.insert(id.clone(), *cursor)),
            Change::Head(id, head) => {
                let known = self.heads.entry(id.clone()).or_default();
                *known = known.max(*head);
            }
            Change::Ranges(cid, ranges) => {
                let text = serde_json::to_string(ranges).expect("runs can be stored");
                self.ranges.insert(cid.clone(), text);
            }
            Change::Rebase(id) => drop(self.heads.remove(id)),
            Change::Unfollow(id) => {
                self.cursors.remove(id);
                self.heads.remove(id);
            }
            Change::HeadsToken(token) => self.heads_token = Some(token.clone()),
            Change::SyncedAt(at) => self.synced_at = Some(*at),
            Change::Outbox(item) => drop(self.outbox.insert(item.id, item.clone())),
            Change::OutboxRemoved(id) => drop(self.outbox.remove(id)),
            Change::Local(change) => self.local.change(change),
        }
    }
}
