//! What has to be so of accounts, of who is where, and of what has reached whom, in the end.

use super::{Place, bare};
use crate::sim::{
    Violation,
    device::{or_broken, stream_of},
    log::violated,
    storage::now_or,
    truth::Truth,
    world::World,
};
use std::collections::{BTreeMap, BTreeSet};
use whimbrel_model::{AccountKey, AccountRow, ChannelId, Delivered, MemberState, Row, limits};
use whimbrel_store::AccountReader as _;

impl World {
    /// E19, E20: what each account holds, and where each user is, is what the accepted operations come to.
    pub(in crate::sim) fn check_people(&self, truth: &Truth) -> Result<(), Violation> {
        for user in self.users() {
            let mut rows = BTreeMap::new();
            for row in self.own_rows(&user)? {
                match row {
                    Row::Account(row) => drop(rows.insert(row.key(), bare(&row))),
                    Row::Membership(row) => check_place(&row, truth)?,
                    _ => {}
                }
            }
            let accounts = truth.people.accounts.iter();
            let own = accounts.filter(|((of, _), _)| *of == user);
            let own: BTreeMap<AccountKey, AccountRow> =
                own.map(|((_, key), row)| (key.clone(), row.clone())).collect();
            if let Some(key) = differs(&rows, &own) {
                return violated(
                    "E19",
                    format!(
                        "{user} has {:?}, and was to have {:?}",
                        rows.get(&key),
                        own.get(&key)
                    ),
                );
            }
        }
        Ok(())
    }

    /// E3 of what an account holds about itself: each device has it all.
    pub(in crate::sim) fn check_account(&self, index: usize, there: &[Row]) -> Result<(), Violation> {
        let device = &self.devices[index];
        let held = or_broken(now_or(device.store.account_rows())?)?.into_iter();
        let held: BTreeMap<AccountKey, AccountRow> = held.map(|row| (row.key(), row)).collect();
        let there = there.iter().filter_map(|row| match row {
            Row::Account(row) => Some((row.key(), row.clone())),
            _ => None,
        });
        let there: BTreeMap<AccountKey, AccountRow> = there.collect();
        // What is of a history that the server lost stays: nothing says that it is gone.
        let of_lost = |key: &AccountKey, row: &AccountRow| row.ver() == 0 && !there.contains_key(key);
        let held = held.into_iter().filter(|(key, row)| !of_lost(key, row)).collect();
        match differs(&held, &there) {
            Some(key) => violated(
                "E3",
                format!(
                    "{} has {:?}, the server {:?}",
                    device.name,
                    held.get(&key),
                    there.get(&key)
                ),
            ),
            None => Ok(()),
        }
    }

    /// L5: what has reached a device is said to have, unless it is known to have been read.
    pub(in crate::sim) fn check_reached(&self, cid: &ChannelId) -> Result<(), Violation> {
        let server = &self.ghost.server;
        let Some(rows) = server.rows.get(&stream_of(cid)) else {
            return Ok(());
        };
        let head = server.head(&stream_of(cid)).seq;
        for index in self.settled() {
            let device = &self.devices[index];
            let user = &device.user;
            let most = self
                .brings(index)
                .unwrap_or(u64::MAX)
                .min(limits::SNAPSHOT_MESSAGES as u64);
            let newest = (head + 1).saturating_sub(most);
            if !server.may_see(user, &stream_of(cid)) || !self.follows(index, cid) {
                continue;
            }
            let others = rows.values().filter_map(|row| match row {
                Row::Message(row) if row.author != *user && row.seq >= newest => Some(row.seq),
                _ => None,
            });
            let due = others.max().unwrap_or_default();
            let (mut said, mut read) = (Delivered::new(cid.clone(), user.clone()), 0);
            for row in rows.values() {
                match row {
                    Row::Delivered(row) if row.user == *user => said = row.clone(),
                    Row::Read(row) if row.user == *user && row.thread.is_none() && !row.private => {
                        read = row.receipt();
                    }
                    _ => {}
                }
            }
            let known = said.seq.max(read);
            if known < due {
                return violated(
                    "L5",
                    format!(
                        "{} has message {due} of {cid}, and said {said:?}, read {read}",
                        device.name
                    ),
                );
            }
        }
        Ok(())
    }

    /// Devices that are connected and were not shut out.
    pub(in crate::sim) fn settled(&self) -> BTreeSet<usize> {
        (0..self.devices.len())
            .filter(|index| !self.is_revoked(*index))
            .collect()
    }
}

/// E20: where somebody is.
fn check_place(row: &whimbrel_model::Membership, truth: &Truth) -> Result<(), Violation> {
    let place = Place::of(row);
    let known = truth.people.places.get(&(row.cid.clone(), row.user.clone()));
    if known == Some(&place) {
        return Ok(());
    }
    violated(
        "E20",
        format!(
            "{} is in {} as {place:?}, and was to be {known:?}",
            row.user, row.cid
        ),
    )
}

/// E20 of the channel's own stream: the same fact.
pub(in crate::sim) fn check_member(row: &whimbrel_model::Member, truth: &Truth) -> Result<(), Violation> {
    let known = truth.people.places.get(&(row.cid.clone(), row.user.clone()));
    let known = known.map_or((MemberState::Gone, row.role), |place| (place.state, place.role));
    if known == (row.state, row.role) {
        return Ok(());
    }
    violated(
        "E20",
        format!("{} has {row:?}, and was to have {known:?}", row.cid),
    )
}

fn differs<K: Ord + Clone, V: PartialEq>(one: &BTreeMap<K, V>, other: &BTreeMap<K, V>) -> Option<K> {
    let keys: BTreeSet<&K> = one.keys().chain(other.keys()).collect();
    keys.into_iter()
        .find(|key| one.get(*key) != other.get(*key))
        .cloned()
}
