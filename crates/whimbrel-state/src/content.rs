use crate::{Freshness, SyncState};

/// What is there to show, and what it means that there is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Content {
    /// Nothing was read yet, not even from this device.
    #[default]
    NotLoaded,
    /// There is nothing on this device, and the server is being asked: show that something is coming.
    Loading,
    /// There is nothing on this device, and no connection: that it is empty says nothing.
    OfflineNoResults,
    /// It is there: what is shown, or that there is none.
    Loaded,
}

impl Content {
    /// Decides for something that was read from this device: `is_here` says whether there is something to show, or it is
    /// known that there is none.
    pub(crate) fn of(is_here: bool, status: &SyncState) -> Self {
        match status {
            _ if is_here => Self::Loaded,
            SyncState::Connecting
            | SyncState::Authenticating
            | SyncState::CatchingUp { .. }
            | SyncState::Live => Self::Loading,
            SyncState::Offline
            | SyncState::BackingOff { .. }
            | SyncState::NeedsAuth { .. }
            | SyncState::Failed { .. }
            | SyncState::Revoked { .. }
            | SyncState::Suspended
            | SyncState::Closed => Self::OfflineNoResults,
        }
    }
}

/// How what is shown stands to what the server has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Currency {
    /// How fresh it is, and whether anything is missing on this device.
    pub freshness: Freshness,
    /// Whether something has to come from the server before it can be what the server has: there is no connection, or the
    /// device is behind, or messages between those that are shown are missing. It heals by itself; [`Freshness`] says how old
    /// what is shown is meanwhile.
    pub recovery_needed: bool,
}
