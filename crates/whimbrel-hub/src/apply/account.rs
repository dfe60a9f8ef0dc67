//! What an account keeps about itself: settings, contacts, devices.

mod device;

pub(super) use device::{Registration, end_sync, offer_sync, register, request_sync, revoke, update};

use super::{Scene, step::Steps};
use crate::{WorkingSet, working_set::PlainRow};
use whimbrel_model::{
    AccountKey, AccountRow, Contact, ContactChange, Settings, SettingsChange, StreamId, UserId,
};

/// Returns a user's settings.
pub(super) fn settings(set: &WorkingSet, user: &UserId) -> Settings {
    match set.account(user, &AccountKey::Settings) {
        Some(AccountRow::Settings(row)) => row.clone(),
        _ => Settings::new(user.clone()),
    }
}

pub(super) fn change_settings(set: &mut WorkingSet, scene: &Scene<'_>, change: &SettingsChange) -> Steps {
    let mut steps = Steps::default();
    let mut row = settings(set, scene.user);
    if row.change(change) {
        put(set, &mut steps, AccountRow::Settings(row));
    }
    steps
}

pub(super) fn change_contact(
    set: &mut WorkingSet,
    scene: &Scene<'_>,
    of: &UserId,
    change: &ContactChange,
) -> Steps {
    let mut steps = Steps::default();
    let mut row = match set.account(scene.user, &AccountKey::Contact(of.clone())) {
        Some(AccountRow::Contact(row)) => row.clone(),
        _ => Contact::new(scene.user.clone(), of.clone()),
    };
    if row.change(change) {
        row.changed_at = scene.now;
        put(set, &mut steps, AccountRow::Contact(row));
    }
    steps
}

/// Stamps a row and puts it.
fn put(set: &mut WorkingSet, steps: &mut Steps, mut row: AccountRow) {
    let stream = StreamId::User(row.user().clone());
    row.set_ver(steps.next_ver(set, &stream));
    steps.put(set, PlainRow::Account(row));
}
