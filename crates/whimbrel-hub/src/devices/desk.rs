use super::{DeviceSeen, Seen};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;
use whimbrel_model::{Device, DeviceId, Timestamp, UserId};

/// How old what is stored of a connected device may be: it is for people to look at.
const STORE_EVERY: Duration = Duration::from_secs(15 * 60);

/// Devices that are noted. Of more, what is not stored yet is forgotten once they have no connection.
const NOTED: usize = 100_000;

/// When the devices that have connections were seen, and what is not stored yet of others.
#[derive(Debug, Default)]
pub(crate) struct SeenDesk(Mutex<HashMap<(UserId, DeviceId), Note>>);

#[derive(Debug)]
struct Note {
    seen: Seen,
    connections: usize,
    is_stored: bool,
    stored_at: Option<Instant>,
}

impl SeenDesk {
    /// A connection of a device begins.
    pub(crate) fn join(&self, user: &UserId, device: DeviceId, at: Timestamp) {
        let mut notes = self.lock();
        let note = notes.entry((user.clone(), device)).or_insert_with(|| Note {
            seen: Seen { at, token: None },
            connections: 0,
            is_stored: false,
            stored_at: None,
        });
        note.connections += 1;
        note.heard(at);
    }

    /// A device says that it has the heads up to `token`.
    pub(crate) fn asks(&self, user: &UserId, device: DeviceId, at: Timestamp, token: Option<&str>) {
        if let Some(note) = self.lock().get_mut(&(user.clone(), device)) {
            note.heard(at);
            if token.is_some() {
                note.seen.token = token.map(str::to_owned);
            }
        }
    }

    /// A connection of a device ends.
    pub(crate) fn leave(&self, user: &UserId, device: DeviceId, at: Timestamp) {
        let mut notes = self.lock();
        let is_full = notes.len() > NOTED;
        let key = (user.clone(), device);
        let Some(note) = notes.get_mut(&key) else { return };
        note.connections = note.connections.saturating_sub(1);
        note.heard(at);
        if note.connections == 0 && is_full {
            notes.remove(&key);
        }
    }

    /// Returns the newest that is known of a device of which this is stored, and whether it has a connection.
    pub(crate) fn newest(&self, device: &Device, stored: Option<&Seen>) -> (Option<Seen>, bool) {
        let notes = self.lock();
        match notes.get(&(device.user.clone(), device.id)) {
            Some(note) => {
                let token = note.seen.token.clone();
                let seen = Seen {
                    at: note.seen.at,
                    token: token.or_else(|| stored.and_then(|stored| stored.token.clone())),
                };
                (Some(seen), note.connections > 0)
            }
            None => (stored.cloned(), false),
        }
    }

    /// Takes what is to be stored now: of devices without a connection what is not stored yet, of others if what is stored is old.
    /// With `all`: everything that is not stored.
    pub(crate) fn take_due(&self, now: Instant, all: bool) -> Vec<DeviceSeen> {
        let mut notes = self.lock();
        let mut due = Vec::new();
        for ((user, device), note) in notes.iter_mut() {
            let is_old = note.stored_at.is_none_or(|at| now >= at + STORE_EVERY);
            if !note.is_stored && (all || note.connections == 0 || is_old) {
                note.is_stored = true;
                note.stored_at = Some(now);
                due.push(DeviceSeen {
                    user: user.clone(),
                    device: *device,
                    seen: note.seen.clone(),
                });
            }
        }
        notes.retain(|_, note| note.connections > 0);
        due.sort_unstable_by(|a, b| (&a.user, a.device).cmp(&(&b.user, b.device)));
        due
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(UserId, DeviceId), Note>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Note {
    fn heard(&mut self, at: Timestamp) {
        self.seen.at = self.seen.at.max(at);
        self.is_stored = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn device(number: u128) -> Device {
        Device {
            user: UserId::new("ada").unwrap(),
            id: DeviceId(Uuid::from_u128(
                0x0190_0000_0000_7000_8000_0000_0000_0000 + number,
            )),
            name: String::new(),
            agent: String::new(),
            key: None,
            registered_at: Timestamp(0),
            revoked_at: None,
            push: None,
            ver: 1,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connected_device_is_stored_rarely_and_one_that_left_at_once() {
        let (desk, phone, now) = (SeenDesk::default(), device(1), Instant::now());
        desk.join(&phone.user, phone.id, Timestamp(1));
        assert_eq!(desk.take_due(now, false).len(), 1);
        desk.asks(&phone.user, phone.id, Timestamp(2), Some("7.1"));
        assert_eq!(desk.take_due(now, false), []);
        let seen = Seen {
            at: Timestamp(2),
            token: Some("7.1".into()),
        };
        assert_eq!(desk.newest(&phone, None), (Some(seen.clone()), true));
        let due = desk.take_due(now + STORE_EVERY, false);
        assert_eq!(due.len(), 1);
        assert_eq!(due[0].seen, seen);
        desk.leave(&phone.user, phone.id, Timestamp(3));
        assert_eq!(desk.take_due(now + STORE_EVERY, false).len(), 1);
        assert_eq!(
            desk.newest(&phone, None),
            (None, false),
            "what is stored is not kept twice"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_device_with_two_connections_is_there_until_both_end() {
        let (desk, phone, now) = (SeenDesk::default(), device(1), Instant::now());
        desk.join(&phone.user, phone.id, Timestamp(1));
        desk.join(&phone.user, phone.id, Timestamp(1));
        desk.leave(&phone.user, phone.id, Timestamp(2));
        assert!(desk.newest(&phone, None).1);
        desk.leave(&phone.user, phone.id, Timestamp(3));
        assert!(!desk.newest(&phone, None).1);
        assert_eq!(desk.take_due(now, false).len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_device_that_has_not_asked_yet_keeps_what_is_stored_of_how_far_it_is() {
        let (desk, phone) = (SeenDesk::default(), device(1));
        desk.join(&phone.user, phone.id, Timestamp(9));
        let stored = Seen {
            at: Timestamp(1),
            token: Some("7.3".into()),
        };
        let (seen, _) = desk.newest(&phone, Some(&stored));
        let seen = seen.unwrap();
        assert_eq!((seen.at, seen.token), (Timestamp(9), stored.token));
    }
}
