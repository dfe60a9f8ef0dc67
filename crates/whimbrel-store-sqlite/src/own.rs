//! What no server can give back: who the database belongs to, what was not decided yet, and the app's settings.

use std::collections::BTreeMap;
use whimbrel_model::{Account, Change, Delta, LocalChange, OpId, OutboxItem};

/// The device's own part of a database, after so many changes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Own {
    pub(crate) ver: u64,
    pub(crate) account: Option<Account>,
    pub(crate) outbox: BTreeMap<OpId, OutboxItem>,
    pub(crate) settings: BTreeMap<String, String>,
}

/// What a delta changes of it.
#[derive(Debug, Default)]
pub(crate) struct OwnChange<'a> {
    pub(crate) account: Option<&'a Account>,
    /// Items that are put, and nothing for those that are removed.
    pub(crate) outbox: BTreeMap<OpId, Option<&'a OutboxItem>>,
    /// Settings that are set, and nothing for those that are removed.
    pub(crate) settings: BTreeMap<&'a str, Option<&'a str>>,
}

impl<'a> OwnChange<'a> {
    /// Gathers what `delta` changes. Nothing if that is nothing.
    pub(crate) fn of(delta: &'a Delta) -> Option<Self> {
        let mut change = Self::default();
        for one in &delta.changes {
            match one {
                Change::Account(account) => drop(change.account.get_or_insert(account)),
                Change::Outbox(item) => drop(change.outbox.insert(item.id, Some(item))),
                Change::OutboxRemoved(id) => drop(change.outbox.insert(*id, None)),
                Change::Local(LocalChange::Setting(key, value)) => {
                    change.settings.insert(key, value.as_deref());
                }
                _ => {}
            }
        }
        let is_some = change.account.is_some() || !change.outbox.is_empty() || !change.settings.is_empty();
        is_some.then_some(change)
    }
}

impl Own {
    /// Returns the delta that makes a new database have it.
    pub(crate) fn as_delta(&self) -> Delta {
        let account = self.account.iter().cloned().map(Change::Account);
        let outbox = self.outbox.values().cloned().map(Change::Outbox);
        let setting = |(key, value): (&String, &String)| {
            Change::Local(LocalChange::Setting(key.clone(), Some(value.clone())))
        };
        let settings = self.settings.iter().map(setting);
        Delta {
            changes: account.chain(outbox).chain(settings).collect(),
        }
    }
}
