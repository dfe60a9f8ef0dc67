use crate::own::{Own, OwnChange};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::BTreeMap};
use whimbrel_model::{
    Account, Code, DeviceId, Op, OpId, OutboxItem, OutboxStatus, Rejection, Timestamp, UserId,
};

/// What one line says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Entry<'a> {
    /// Whether it is everything, and what was before is forgotten.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    all: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<(UserId, DeviceId)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    put: Vec<Item<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    removed: Vec<OpId>,
    /// Settings that are set, and nothing for those that are removed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    settings: BTreeMap<Cow<'a, str>, Option<Cow<'a, str>>>,
}

/// An item of the outbox, with its columns.
#[derive(Debug, Serialize, Deserialize)]
struct Item<'a> {
    id: OpId,
    pos: u64,
    user: UserId,
    op: Cow<'a, Op>,
    composed_at: Timestamp,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    attempted: bool,
    #[serde(default)]
    failures: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_error: Option<Code>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rejection: Option<Cow<'a, Rejection>>,
}

impl<'a> Entry<'a> {
    pub(super) fn of_change(change: &OwnChange<'a>) -> Self {
        let removed = change.outbox.iter().filter(|(_, item)| item.is_none());
        Self {
            all: false,
            account: change.account.map(names),
            put: change
                .outbox
                .values()
                .flatten()
                .map(|item| Item::of(item))
                .collect(),
            removed: removed.map(|(id, _)| *id).collect(),
            settings: change
                .settings
                .iter()
                .map(|(key, value)| (Cow::Borrowed(*key), value.map(Cow::Borrowed)))
                .collect(),
        }
    }

    pub(super) fn of_all(own: &'a Own) -> Self {
        Self {
            all: true,
            account: own.account.as_ref().map(names),
            put: own.outbox.values().map(Item::of).collect(),
            removed: Vec::new(),
            settings: own
                .settings
                .iter()
                .map(|(key, value)| (Cow::from(key), Some(Cow::from(value))))
                .collect(),
        }
    }

    pub(super) const fn is_all(&self) -> bool {
        self.all
    }

    pub(super) fn apply(self, own: &mut Own) {
        if self.all {
            *own = Own::default();
        }
        if let Some((user, device)) = self.account {
            own.account.get_or_insert(Account { user, device });
        }
        for id in self.removed {
            own.outbox.remove(&id);
        }
        for (key, value) in self.settings {
            match value {
                Some(value) => drop(own.settings.insert(key.into_owned(), value.into_owned())),
                None => drop(own.settings.remove(key.as_ref())),
            }
        }
        for item in self.put {
            own.outbox.insert(item.id, item.into_item());
        }
    }
}

fn names(account: &Account) -> (UserId, DeviceId) {
    (account.user.clone(), account.device)
}

impl<'a> Item<'a> {
    fn of(item: &'a OutboxItem) -> Self {
        Self {
            id: item.id,
            pos: item.pos,
            user: item.user.clone(),
            op: Cow::Borrowed(&item.op),
            composed_at: item.composed_at,
            attempted: item.attempted,
            failures: item.failures,
            last_error: item.last_error.clone(),
            rejection: item.rejection().map(Cow::Borrowed),
        }
    }

    fn into_item(self) -> OutboxItem {
        let rejected = |rejection: Cow<'_, Rejection>| OutboxStatus::Rejected(rejection.into_owned());
        OutboxItem {
            pos: self.pos,
            id: self.id,
            op: self.op.into_owned(),
            user: self.user,
            composed_at: self.composed_at,
            attempted: self.attempted,
            failures: self.failures,
            last_error: self.last_error,
            status: self.rejection.map_or(OutboxStatus::Queued, rejected),
        }
    }
}
