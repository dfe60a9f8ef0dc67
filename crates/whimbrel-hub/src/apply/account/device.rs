//! Devices, and what they ask of one another.

use super::put;
use crate::{
    WorkingSet,
    apply::{Refusal, Scene, step::Steps},
};
use uuid::Uuid;
use whimbrel_model::{
    AccountKey, AccountRow, Code, Device, DeviceChange, DeviceId, DeviceSync, DeviceSyncState, Invalid,
    limits,
};

/// What a device says of itself.
pub(in crate::apply) struct Registration<'a> {
    pub(in crate::apply) name: &'a str,
    pub(in crate::apply) agent: &'a str,
    pub(in crate::apply) key: Option<&'a String>,
}

/// Makes a device known, or what it says of itself. A name that it was given stays.
pub(in crate::apply) fn register(
    set: &mut WorkingSet,
    scene: &Scene<'_>,
    id: DeviceId,
    registration: &Registration<'_>,
) -> Result<Steps, Refusal> {
    let mut steps = Steps::default();
    let known = find(set, scene, id).cloned();
    refuse_revoked(known.as_ref())?;
    if known.is_none() {
        check_count(set, scene)?;
    }
    let mut row = known.clone().unwrap_or_else(|| new(scene, id));
    if row.name.is_empty() {
        registration.name.clone_into(&mut row.name);
    }
    registration.agent.clone_into(&mut row.agent);
    row.key = registration.key.cloned();
    if known.as_ref() != Some(&row) {
        put(set, &mut steps, AccountRow::Device(row));
    }
    Ok(steps)
}

/// Changes a device that is known.
pub(in crate::apply) fn update(
    set: &mut WorkingSet,
    scene: &Scene<'_>,
    id: DeviceId,
    change: &DeviceChange,
) -> Result<Steps, Refusal> {
    let mut steps = Steps::default();
    let Some(mut row) = find(set, scene, id).cloned() else {
        return Err(Invalid::new("device", format!("must be one of the account's, {id} is none")).into());
    };
    refuse_revoked(Some(&row))?;
    if row.change(change) {
        put(set, &mut steps, AccountRow::Device(row));
    }
    Ok(steps)
}

/// Shuts a device out, also one that was never heard of.
pub(in crate::apply) fn revoke(set: &mut WorkingSet, scene: &Scene<'_>, id: DeviceId) -> Steps {
    let mut steps = Steps::default();
    let mut row = match find(set, scene, id) {
        Some(row) => row.clone(),
        None => new(scene, id),
    };
    if row.revoked_at.is_none() {
        row.revoked_at = Some(scene.now);
        row.push = None;
        put(set, &mut steps, AccountRow::Device(row));
    }
    steps
}

/// Asks the account's other devices, in the place of an earlier request of the device.
pub(in crate::apply) fn request_sync(
    set: &mut WorkingSet,
    scene: &Scene<'_>,
    device: DeviceId,
    (request, key): (Uuid, &str),
) -> Steps {
    let mut steps = Steps::default();
    if find_sync(set, scene, device).is_some_and(|row| row.request == request) {
        return steps;
    }
    let row = DeviceSync {
        user: scene.user.clone(),
        device,
        request,
        key: key.to_owned(),
        state: DeviceSyncState::Asked,
        changed_at: scene.now,
        ver: 0,
    };
    put(set, &mut steps, AccountRow::DeviceSync(row));
    steps
}

/// Answers a request that has no answer yet.
pub(in crate::apply) fn offer_sync(
    set: &mut WorkingSet,
    scene: &Scene<'_>,
    (device, request): (DeviceId, Uuid),
    offer: DeviceSyncState,
) -> Steps {
    let is_open = |row: &DeviceSync| row.state == DeviceSyncState::Asked;
    move_sync(set, scene, (device, request), is_open, offer)
}

/// Ends a request.
pub(in crate::apply) fn end_sync(
    set: &mut WorkingSet,
    scene: &Scene<'_>,
    request: (DeviceId, Uuid),
) -> Steps {
    let goes_on = |row: &DeviceSync| row.state != DeviceSyncState::Done;
    move_sync(set, scene, request, goes_on, DeviceSyncState::Done)
}

fn move_sync(
    set: &mut WorkingSet,
    scene: &Scene<'_>,
    (device, request): (DeviceId, Uuid),
    moves: impl Fn(&DeviceSync) -> bool,
    state: DeviceSyncState,
) -> Steps {
    let mut steps = Steps::default();
    let row = find_sync(set, scene, device).filter(|row| row.request == request && moves(row));
    if let Some(row) = row.cloned() {
        let row = DeviceSync {
            state,
            changed_at: scene.now,
            ..row
        };
        put(set, &mut steps, AccountRow::DeviceSync(row));
    }
    steps
}

fn find<'a>(set: &'a WorkingSet, scene: &Scene<'_>, id: DeviceId) -> Option<&'a Device> {
    match set.account(scene.user, &AccountKey::Device(id)) {
        Some(AccountRow::Device(row)) => Some(row),
        _ => None,
    }
}

fn find_sync<'a>(set: &'a WorkingSet, scene: &Scene<'_>, device: DeviceId) -> Option<&'a DeviceSync> {
    match set.account(scene.user, &AccountKey::DeviceSync(device)) {
        Some(AccountRow::DeviceSync(row)) => Some(row),
        _ => None,
    }
}

fn new(scene: &Scene<'_>, id: DeviceId) -> Device {
    Device {
        user: scene.user.clone(),
        id,
        name: String::new(),
        agent: String::new(),
        key: None,
        registered_at: scene.now,
        revoked_at: None,
        push: None,
        ver: 0,
    }
}

/// Refuses one more device than an account may have at a time.
fn check_count(set: &WorkingSet, scene: &Scene<'_>) -> Result<(), Refusal> {
    let devices = set.devices(scene.user).filter(|row| row.revoked_at.is_none());
    let count = devices.count();
    if count < limits::DEVICES {
        return Ok(());
    }
    Err(Refusal {
        code: Code::TooLarge,
        message: format!("the account has {count} devices already: revoke one of them first"),
    })
}

fn refuse_revoked(device: Option<&Device>) -> Result<(), Refusal> {
    match device.filter(|row| row.revoked_at.is_some()) {
        Some(row) => Err(Refusal {
            code: Code::DeviceRevoked,
            message: format!("the device {} was revoked: it needs a new database", row.id),
        }),
        None => Ok(()),
    }
}
