//! What one device of an account leaves here for another one: carried, not looked at.

use crate::{Storage, StorageError};
use async_trait::async_trait;
use std::fmt::Debug;
use uuid::Uuid;
use whimbrel_model::{Code, DeviceId, DeviceSync, DeviceSyncState, Timestamp, UserId, limits};
use whimbrel_protocol::{Parcel, ParcelAct, ParcelPage, PartBytes, PutPart};

/// What a storage does for parcels, beside the streams: nothing of it moves a version.
#[async_trait]
pub trait ParcelStorage: Debug + Send + Sync + 'static {
    /// Reads what the devices of a user ask of one another, by device.
    async fn device_syncs(&self, user: &UserId) -> Result<Vec<DeviceSync>, StorageError>;

    /// Adds bytes to a parcel, if they begin where it ends. One of another digest or length is dropped first, and so is every
    /// other one of the user that is not `kept`, and the new one begins. Returns how far it has the parcel then: as one
    /// transaction, which survives power loss.
    ///
    /// # Errors
    /// [`StorageError::Refused`] with `too_large` if the user would have more than [`limits::PARCELS`]: no bytes were written.
    async fn put_part(&self, part: &ParcelPart<'_>, kept: &[KeptParcel]) -> Result<u64, StorageError>;

    /// Reads up to [`limits::PARCEL_PART_BYTES`] of a parcel from `offset` on. Nothing if there is no such parcel.
    async fn read_part(
        &self,
        user: &UserId,
        parcel: (Uuid, DeviceId),
        offset: u64,
    ) -> Result<Option<Vec<u8>>, StorageError>;

    /// Drops the parcels of a user that are not `kept`.
    async fn keep_parcels(&self, user: &UserId, kept: &[KeptParcel]) -> Result<(), StorageError>;

    /// Drops parcels that were last put before `before`, and returns how many.
    async fn prune_parcels(&self, before: Timestamp) -> Result<u64, StorageError>;
}

/// A part of a parcel to be put.
#[derive(Clone, Copy, Debug)]
pub struct ParcelPart<'a> {
    /// Whose.
    pub user: &'a UserId,
    /// Which request it answers.
    pub request: Uuid,
    /// Which device it is from.
    pub by: DeviceId,
    /// The part.
    pub part: &'a PutPart,
    /// When it is put.
    pub at: Timestamp,
}

/// Parcels that somebody may still want: those that answer a request, of any device or of the one whose offer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptParcel {
    /// Which request.
    pub request: Uuid,
    /// Of which device. Absent: of any.
    pub by: Option<DeviceId>,
}

impl KeptParcel {
    /// Returns which parcels somebody may still want.
    #[must_use]
    pub fn of(syncs: &[DeviceSync]) -> Vec<Self> {
        let kept = |sync: &DeviceSync| {
            let by = match &sync.state {
                DeviceSyncState::Asked => None,
                DeviceSyncState::Offered { by, .. } => Some(*by),
                DeviceSyncState::Done => return None,
            };
            Some(Self {
                request: sync.request,
                by,
            })
        };
        syncs.iter().filter_map(kept).collect()
    }

    /// Returns whether a parcel is one of them.
    #[must_use]
    pub fn has(&self, request: Uuid, by: DeviceId) -> bool {
        self.request == request && self.by.is_none_or(|only| only == by)
    }
}

/// Puts or gets a part, for a device of a user.
pub(crate) async fn carry(
    storage: &dyn Storage,
    (user, device): (&UserId, DeviceId),
    parcel: &Parcel,
    now: Timestamp,
) -> Result<ParcelPage, StorageError> {
    let syncs = storage.device_syncs(user).await?;
    let sync = syncs.iter().find(|sync| sync.request == parcel.request);
    match &parcel.act {
        ParcelAct::Put(part) => {
            let is_open = sync.is_some_and(|sync| sync.state == DeviceSyncState::Asked);
            if !is_open || sync.is_none_or(|sync| sync.device == device) {
                return Err(gone("no other device asks for it, or one has answered already"));
            }
            check(part)?;
            let put = ParcelPart {
                user,
                request: parcel.request,
                by: device,
                part,
                at: now,
            };
            let next = storage.put_part(&put, &KeptParcel::of(&syncs)).await?;
            Ok(ParcelPage {
                id: parcel.id,
                next,
                total: part.total,
                bytes: PartBytes::default(),
            })
        }
        ParcelAct::Get { offset } => {
            let offered = sync.filter(|sync| sync.device == device).map(|sync| &sync.state);
            let Some(DeviceSyncState::Offered { by, bytes: total, .. }) = offered else {
                return Err(gone("nothing is offered to this device"));
            };
            let bytes = storage.read_part(user, (parcel.request, *by), *offset).await?;
            let bytes = bytes.ok_or_else(|| gone("it was dropped, as nobody had fetched it"))?;
            if bytes.is_empty() && *offset < *total {
                return Err(gone("it is not whole"));
            }
            Ok(ParcelPage {
                id: parcel.id,
                next: offset + bytes.len() as u64,
                total: *total,
                bytes: PartBytes(bytes),
            })
        }
    }
}

/// Drops what nobody wants any more.
pub(crate) async fn keep_wanted(storage: &dyn Storage, user: &UserId) -> Result<(), StorageError> {
    let syncs = storage.device_syncs(user).await?;
    storage.keep_parcels(user, &KeptParcel::of(&syncs)).await
}

fn check(part: &PutPart) -> Result<(), StorageError> {
    if part.total > limits::PARCEL_BYTES {
        let message = format!(
            "a parcel has {} bytes, the limit is {}",
            part.total,
            limits::PARCEL_BYTES
        );
        return Err(refused(Code::TooLarge, message));
    }
    if part.sha256.len() != 64 || !part.sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(refused(
            Code::Invalid,
            "sha256 must be 64 hexadecimal digits".to_owned(),
        ));
    }
    let end = part.offset.saturating_add(part.bytes.0.len() as u64);
    if part.total == 0 || end > part.total {
        let message = format!(
            "bytes must end within the {} of the parcel, not at {end}",
            part.total
        );
        return Err(refused(Code::Invalid, message));
    }
    Ok(())
}

fn refused(code: Code, message: String) -> StorageError {
    StorageError::Refused { code, message }
}

fn gone(why: &str) -> StorageError {
    StorageError::Denied {
        code: Code::ParcelGone,
        message: format!("there is no such parcel: {why}"),
    }
}

impl StorageError {
    /// Creates the refusal of one parcel more than an account may have.
    #[must_use]
    pub fn too_many_parcels() -> Self {
        let message = format!(
            "the account has {} parcels here, which is the limit: let the devices that ask fetch them first",
            limits::PARCELS
        );
        refused(Code::TooLarge, message)
    }
}
