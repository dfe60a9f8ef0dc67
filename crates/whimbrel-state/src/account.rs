//! The account itself: settings, contacts and devices, with what waits in the outbox laid over them.

use crate::outbox::Outbox;
use eyeball::SharedObservable;
use imbl::OrdMap;
use std::{collections::BTreeMap, sync::Arc};
use whimbrel_model::{
    AccountKey, AccountRow, Change, ConsentState, Contact, Delta, Device, DeviceId, DeviceSync,
    DeviceSyncState, Op, OutboxItem, People, Row, Settings, StreamId, Timestamp, UserId,
};

/// What an account keeps about itself, as one value. Cheap to clone.
///
/// What waits in the outbox is laid over all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountFacts {
    /// How the account wants things.
    pub settings: Arc<Settings>,
    /// What was decided of others, by user. What has ended is in it still: [`AccountFacts::people`] says what holds now.
    pub contacts: OrdMap<UserId, Arc<Contact>>,
    /// What holds of others now.
    pub people: People,
    /// The account's devices, revoked ones included.
    pub devices: OrdMap<DeviceId, Arc<Device>>,
    /// What devices ask the others for, by the device that asks.
    pub device_syncs: OrdMap<DeviceId, Arc<DeviceSync>>,
}

impl AccountFacts {
    /// Iterates over those who are denied now: what is also called blocked.
    pub fn denied(&self) -> impl Iterator<Item = &Arc<Contact>> {
        self.contacts
            .values()
            .filter(|contact| self.people.is_denied(&contact.of))
    }

    /// Iterates over those who are muted now.
    pub fn muted(&self) -> impl Iterator<Item = &Arc<Contact>> {
        self.contacts
            .values()
            .filter(|contact| self.people.of(&contact.of).muted)
    }
}

/// The account's rows, and what is shown of them.
#[derive(Debug)]
pub(crate) struct Account {
    me: UserId,
    rows: BTreeMap<AccountKey, AccountRow>,
    now: Timestamp,
    /// When something that holds of others ends next.
    next: Option<Timestamp>,
    facts: SharedObservable<AccountFacts>,
}

impl Account {
    pub(crate) fn new(me: UserId) -> Self {
        let facts = AccountFacts {
            settings: Arc::new(Settings::new(me.clone())),
            contacts: OrdMap::new(),
            people: People::default(),
            devices: OrdMap::new(),
            device_syncs: OrdMap::new(),
        };
        Self {
            me,
            rows: BTreeMap::new(),
            now: Timestamp::default(),
            next: None,
            facts: SharedObservable::new(facts),
        }
    }

    pub(crate) const fn facts(&self) -> &SharedObservable<AccountFacts> {
        &self.facts
    }

    /// Returns what holds of others now.
    pub(crate) fn people(&self) -> People {
        self.facts.read().people.clone()
    }

    /// Replaces all rows by those of the store.
    pub(crate) fn replace(&mut self, rows: Vec<AccountRow>, outbox: &Outbox) {
        let own = rows.into_iter().filter(|row| *row.user() == self.me);
        self.rows = own.map(|row| (row.key(), row)).collect();
        self.settle(outbox);
    }

    /// Takes in a delta; `ops` are the outbox items that it touches.
    pub(crate) fn reduce(&mut self, delta: &Delta, ops: &[Arc<OutboxItem>], outbox: &Outbox) {
        let mut touched = ops.iter().any(|item| is_of_account(&item.op));
        for change in &delta.changes {
            match change {
                Change::Row(Row::Account(row)) if *row.user() == self.me => {
                    let known = self.rows.get(&row.key()).map(AccountRow::ver);
                    if known.is_none_or(|known| row.ver() > known) {
                        self.rows.insert(row.key(), row.clone());
                        touched = true;
                    }
                }
                Change::Rebase(StreamId::User(user)) if *user == self.me => {
                    self.rows.values_mut().for_each(|row| row.set_ver(0));
                    touched = true;
                }
                _ => {}
            }
        }
        if touched {
            self.settle(outbox);
        }
    }

    /// Says what time it is. Returns when something that holds of others ends next.
    pub(crate) fn set_now(&mut self, now: Timestamp) -> Option<Timestamp> {
        let before = std::mem::replace(&mut self.now, now);
        // A clock that was put back: what had ended may hold again.
        if now < before || self.next.is_some_and(|next| next <= now) {
            let mut facts = self.facts.get();
            facts.people = People::at(facts.contacts.values().map(Arc::as_ref), now);
            self.show(facts);
        }
        self.next
    }

    /// Computes what is shown again.
    fn settle(&mut self, outbox: &Outbox) {
        let mut shown = Shown::new(&self.me, &self.rows);
        for item in outbox.queued(None) {
            shown.lay_over(item);
        }
        self.show(shown.facts(self.now));
    }

    fn show(&mut self, facts: AccountFacts) {
        let ends = facts.contacts.values().flat_map(|contact| {
            let denied = contact
                .denied_until
                .filter(|_| contact.consent == ConsentState::Denied);
            [denied, contact.muted.and_then(|mute| mute.until)]
        });
        self.next = ends.flatten().filter(|end| *end > self.now).min();
        self.facts.set_if_not_eq(facts);
    }
}

/// The rows while the outbox is laid over them.
struct Shown {
    settings: Settings,
    contacts: BTreeMap<UserId, Contact>,
    devices: BTreeMap<DeviceId, Device>,
    device_syncs: BTreeMap<DeviceId, DeviceSync>,
}

impl Shown {
    fn new(me: &UserId, rows: &BTreeMap<AccountKey, AccountRow>) -> Self {
        let mut shown = Self {
            settings: Settings::new(me.clone()),
            contacts: BTreeMap::new(),
            devices: BTreeMap::new(),
            device_syncs: BTreeMap::new(),
        };
        // What was in a history that the server no longer has says nothing about this one.
        for row in rows.values().filter(|row| row.ver() > 0) {
            match row {
                AccountRow::Settings(row) => shown.settings.clone_from(row),
                AccountRow::Contact(row) => drop(shown.contacts.insert(row.of.clone(), row.clone())),
                AccountRow::Device(row) => drop(shown.devices.insert(row.id, row.clone())),
                AccountRow::DeviceSync(row) => drop(shown.device_syncs.insert(row.device, row.clone())),
            }
        }
        shown
    }

    fn lay_over(&mut self, item: &OutboxItem) {
        match &item.op {
            Op::UpdateSettings { change } => drop(self.settings.change(change)),
            Op::UpdateContact { user, change } => {
                let new = || Contact::new(item.user.clone(), user.clone());
                let contact = self.contacts.entry(user.clone()).or_insert_with(new);
                if contact.change(change) {
                    contact.changed_at = item.composed_at;
                }
            }
            _ => self.lay_over_devices(item),
        }
    }

    fn lay_over_devices(&mut self, item: &OutboxItem) {
        let new = |id: &DeviceId| Device {
            user: item.user.clone(),
            id: *id,
            name: String::new(),
            agent: String::new(),
            key: None,
            registered_at: item.composed_at,
            revoked_at: None,
            push: None,
            ver: 0,
        };
        match &item.op {
            Op::RegisterDevice {
                device,
                name,
                agent,
                key,
            } => {
                let known = self.devices.entry(*device).or_insert_with(|| new(device));
                // A revoked one stays so, and a name that it has.
                if known.revoked_at.is_none() {
                    if known.name.is_empty() {
                        known.name.clone_from(name);
                    }
                    known.agent.clone_from(agent);
                    known.key.clone_from(key);
                }
            }
            Op::UpdateDevice { device, change } => {
                let known = self.devices.get_mut(device);
                if let Some(known) = known.filter(|known| known.revoked_at.is_none()) {
                    known.change(change);
                }
            }
            Op::RevokeDevice { device } => {
                let known = self.devices.entry(*device).or_insert_with(|| new(device));
                known.revoked_at.get_or_insert(item.composed_at);
                known.push = None;
            }
            _ => self.lay_over_syncs(item),
        }
    }

    fn lay_over_syncs(&mut self, item: &OutboxItem) {
        let state = match &item.op {
            Op::RequestDeviceSync { device, request, key } => {
                let asked = DeviceSync {
                    user: item.user.clone(),
                    device: *device,
                    request: *request,
                    key: key.clone(),
                    state: DeviceSyncState::Asked,
                    changed_at: item.composed_at,
                    ver: self.device_syncs.get(device).map_or(0, |known| known.ver),
                };
                if self
                    .device_syncs
                    .get(device)
                    .is_none_or(|known| known.request != *request)
                {
                    self.device_syncs.insert(*device, asked);
                }
                return;
            }
            Op::OfferDeviceSync {
                device,
                request,
                by,
                bytes,
                sha256,
            } => {
                let offered = DeviceSyncState::Offered {
                    by: *by,
                    bytes: *bytes,
                    sha256: sha256.clone(),
                };
                (device, request, offered)
            }
            Op::EndDeviceSync { device, request } => (device, request, DeviceSyncState::Done),
            _ => return,
        };
        let (device, request, state) = state;
        if let Some(known) = self.device_syncs.get_mut(device)
            && known.request == *request
            // The first answer holds, and what is over stays so.
            && (known.state == DeviceSyncState::Asked || state == DeviceSyncState::Done)
        {
            known.state = state;
            known.changed_at = item.composed_at;
        }
    }

    fn facts(self, now: Timestamp) -> AccountFacts {
        AccountFacts {
            people: People::at(self.contacts.values(), now),
            settings: Arc::new(self.settings),
            contacts: shared(self.contacts),
            devices: shared(self.devices),
            device_syncs: shared(self.device_syncs),
        }
    }
}

fn shared<K: Ord + Clone, V>(of: BTreeMap<K, V>) -> OrdMap<K, Arc<V>> {
    of.into_iter()
        .map(|(key, value)| (key, Arc::new(value)))
        .collect()
}

/// Returns whether an operation is about the account's rows.
const fn is_of_account(op: &Op) -> bool {
    matches!(
        op,
        Op::UpdateSettings { .. }
            | Op::UpdateContact { .. }
            | Op::RegisterDevice { .. }
            | Op::UpdateDevice { .. }
            | Op::RevokeDevice { .. }
            | Op::RequestDeviceSync { .. }
            | Op::OfferDeviceSync { .. }
            | Op::EndDeviceSync { .. }
    )
}
