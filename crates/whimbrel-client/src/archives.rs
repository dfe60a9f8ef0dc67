//! Archives of what only this device has: to a file with a passphrase, and from one.

mod export;
mod file;
mod import;

pub(crate) use export::{Selection, Sink, Source, export};
pub(crate) use import::import;

use crate::{Client, Error};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use whimbrel_archive::{ArchiveError, Key, Lock, Manifest, Metadata};
use whimbrel_model::{DeviceId, SecretText, Timestamp, UserId};

/// What goes into an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveOptions {
    /// The app's settings of this device. True without a word.
    pub local_settings: bool,
    /// The channels that the account has left, as far as they are on this device: the server does not give them any more. True without
    /// a word.
    pub left_channels: bool,
    /// All other channels too, as far as they are on this device. The server gives them to a new device by itself, so they are only
    /// taken in where the account is not in them any more. False without a word.
    pub other_channels: bool,
}

impl Default for ArchiveOptions {
    fn default() -> Self {
        Self {
            local_settings: true,
            left_channels: true,
            other_channels: false,
        }
    }
}

impl ArchiveOptions {
    pub(crate) fn elements(self) -> Vec<String> {
        let channels = self.left_channels || self.other_channels;
        let kinds = [("setting", self.local_settings), ("channel", channels)];
        let wanted = kinds.into_iter().filter(|(_, wanted)| *wanted);
        wanted.map(|(kind, _)| kind.to_owned()).collect()
    }
}

/// What an import did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportSummary {
    /// Which device made the archive.
    pub by: DeviceId,
    /// When, by its clock.
    pub made_at: Timestamp,
    /// Settings and rows that were not here, or older.
    pub added: u64,
    /// Settings and rows that are here already.
    pub duplicates: u64,
    /// What was not taken, and why: see [`Skipped`].
    pub skipped: BTreeMap<Skipped, u64>,
}

/// Why something in an archive was not taken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Skipped {
    /// Something else is here: a setting with another value, or a row that belongs to another channel. Or there is no room for it.
    KeptHere,
    /// A row of a channel that the account is in: what is in it comes from the server.
    Followed,
    /// A row of a history that the server no longer has.
    OtherHistory,
    /// Something of a later version of the software: its kind.
    Unknown(String),
    /// It was left out when the archive was made, as it would have been too large: its kind.
    LeftOut(String),
}

/// Why an archive was not made or taken in. Nothing was changed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveProblem {
    /// The archive itself.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// It is of another account.
    #[error("the archive is of {archive}, this is the account of {account}: open that one")]
    OtherAccount {
        /// Whose it is.
        archive: UserId,
        /// Who wants it.
        account: UserId,
    },
    /// There is a file of that name.
    #[error("there is a file at {0:?} already: choose another name, or delete it")]
    Exists(PathBuf),
    /// The passphrase is empty.
    #[error("the passphrase is empty: choose one that nobody guesses")]
    NoPassphrase,
}

impl ArchiveProblem {
    /// Returns the stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Archive(error) => error.code(),
            Self::OtherAccount { .. } => "archive_other_account",
            Self::Exists(_) => "archive_exists",
            Self::NoPassphrase => "archive_no_passphrase",
        }
    }

    /// Returns whether the same call may succeed later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Archive(error) => error.is_retryable(),
            _ => false,
        }
    }
}

impl From<ArchiveError> for Error {
    fn from(error: ArchiveError) -> Self {
        Self::Archive(error.into())
    }
}

impl Client {
    /// Writes what only this device has into a file, encrypted with a passphrase, which has to be strong: whoever has the file can try
    /// as many as they like. Returns what is in it.
    ///
    /// What waits in the outbox is not in it: each operation is this device's to send, once. The file appears as a whole, durable, or
    /// not at all; it is readable by its owner only. It holds some rows in memory at a time, however much there is, and for a moment
    /// 128 MiB to make a key of the passphrase.
    ///
    /// Cancellation: nothing is left of it.
    ///
    /// # Errors
    /// [`Error::Archive`]: there is a file of that name, or it cannot be written; [`Error`] when the database cannot be read or the
    /// client is closed or suspended.
    pub async fn create_archive(
        &self,
        path: impl AsRef<Path>,
        passphrase: &str,
        options: ArchiveOptions,
    ) -> Result<Metadata, Error> {
        let lock = Lock::Passphrase(secret(passphrase)?);
        let selection = Selection::of(self.inner().into(), options).await?;
        let manifest = selection.manifest.clone();
        let mut file = file::create(path.as_ref(), self.new_id(), lock, manifest)?;
        export(self.store(), &selection, &mut file).await?;
        Ok(file.finish().await?)
    }

    /// Returns when an archive was made: all that it says to whoever has no passphrase. Nobody vouches for it.
    ///
    /// # Errors
    /// [`Error::Archive`] when it is none, is of a later version, or cannot be read.
    pub async fn archive_made_at(path: impl AsRef<Path>) -> Result<Timestamp, Error> {
        Ok(file::made_at(path.as_ref()).await?)
    }

    /// Returns what an archive has: whose it is, which device made it and when, how much of each kind. It reads it to its end, so
    /// it is known to be whole.
    ///
    /// # Errors
    /// [`Error::Archive`] when it is none, is damaged, is of a later version, or cannot be read with this passphrase.
    pub async fn archive_metadata(path: impl AsRef<Path>, passphrase: &str) -> Result<Metadata, Error> {
        let key = Key::Passphrase(secret(passphrase)?);
        Ok(file::metadata(path.as_ref(), key).await?)
    }

    /// Takes in what an archive has that is not here. It only adds: nothing that is here and newer is replaced, nothing of a channel
    /// that the account is in is touched, what is here already is counted and left alone. So twice is once, and what was
    /// interrupted is done again.
    ///
    /// Of settings those are taken that are not set here. Works without a connection.
    ///
    /// Cancellation: what was taken so far stays.
    ///
    /// # Errors
    /// [`Error::Archive`] when it is none, is damaged, is of a later version or another account, or cannot be read with this
    /// passphrase: nothing was changed. [`Error`] when a write failed or the client is closed or suspended.
    pub async fn import_archive(
        &self,
        path: impl AsRef<Path>,
        passphrase: &str,
    ) -> Result<ImportSummary, Error> {
        let key = Key::Passphrase(secret(passphrase)?);
        let input = file::open(path.as_ref()).await?;
        import(self.commands(), self.user(), input, key).await
    }
}

/// Refuses what is not this account's.
pub(crate) fn check_account(manifest: &Manifest, account: &UserId) -> Result<(), ArchiveProblem> {
    if manifest.account == *account {
        return Ok(());
    }
    Err(ArchiveProblem::OtherAccount {
        archive: manifest.account.clone(),
        account: account.clone(),
    })
}

fn secret(passphrase: &str) -> Result<SecretText, Error> {
    if passphrase.is_empty() {
        return Err(ArchiveProblem::NoPassphrase.into());
    }
    Ok(SecretText::new(passphrase.to_owned()))
}
