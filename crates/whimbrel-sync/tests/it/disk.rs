//! The least store that there can be: what [`Engine::load`](whimbrel_sync::Engine::load) reads back, and the rows.

use std::collections::BTreeMap;
use whimbrel_model::{AccountRow, Change, Cursor, Delta, Loaded, Row, RowKey, StreamId};

#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    pub(crate) loaded: Loaded,
    pub(crate) rows: BTreeMap<RowKey, Row>,
    /// Streams whose rows were said to be of another history, in order.
    pub(crate) rebased: Vec<StreamId>,
}

impl Disk {
    pub(crate) fn apply(&mut self, delta: &Delta) {
        for change in &delta.changes {
            self.change(change);
        }
        self.loaded.outbox.sort_by_key(|item| item.pos);
    }

    fn change(&mut self, change: &Change) {
        let loaded = &mut self.loaded;
        match change {
            Change::Account(account) => loaded.account = Some(account.clone()),
            Change::Row(row) => {
                let old = self.rows.get(&row.key());
                if old.is_none_or(|old| row.supersedes(old)) {
                    self.rows.insert(row.key(), row.clone());
                }
                self.load_decisions();
            }
            Change::Cursor(id, cursor) => drop(loaded.cursors.insert(id.clone(), *cursor)),
            Change::Head(id, head) => {
                let known = loaded.heads.entry(id.clone()).or_default();
                *known = known.max(*head);
            }
            Change::Ranges(cid, ranges) => drop(loaded.ranges.insert(cid.clone(), ranges.clone())),
            Change::Rebase(id) => {
                loaded.heads.remove(id);
                self.rebased.push(id.clone());
            }
            Change::Unfollow(id) => {
                loaded.cursors.remove(id);
                loaded.heads.remove(id);
            }
            Change::HeadsToken(token) => loaded.heads_token = Some(token.clone()),
            Change::SyncedAt(at) => loaded.synced_at = Some(*at),
            Change::Outbox(item) => {
                loaded.outbox.retain(|old| old.id != item.id);
                loaded.outbox.push(item.clone());
            }
            Change::OutboxRemoved(id) => loaded.outbox.retain(|old| old.id != *id),
            Change::Local(_) => {}
        }
    }

    /// Reads back what the engine is told of the rows.
    fn load_decisions(&mut self) {
        let rows = self.rows.values();
        self.loaded.memberships.clear();
        self.loaded.contacts.clear();
        for row in rows {
            match row {
                Row::Membership(row) => self.loaded.memberships.push(row.clone()),
                Row::Account(AccountRow::Contact(row)) => self.loaded.contacts.push(row.clone()),
                _ => {}
            }
        }
    }

    pub(crate) fn cursor(&self, id: &StreamId) -> Option<Cursor> {
        self.loaded.cursors.get(id).copied()
    }
}
