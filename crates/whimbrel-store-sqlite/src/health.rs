use crate::files;
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use whimbrel_store::Recovery;
use whimbrel_store::StoreError;

/// What is known of an open database: whether it was found damaged, and whether it was recovered.
#[derive(Debug)]
pub(crate) struct Health {
    /// The file that tells the next process, which may come before this one has recovered anything. Who only looks at a
    /// database writes none.
    mark: Option<PathBuf>,
    /// Odd from when it was found damaged until it is recovered. So it also counts the files that it had.
    state: AtomicU64,
    recovery: Mutex<Option<Recovery>>,
}

impl Health {
    pub(crate) fn new(path: &Path, is_own: bool, recovery: Option<Recovery>) -> Self {
        Self {
            mark: is_own.then(|| files::damage_mark(path)),
            state: AtomicU64::new(0),
            recovery: Mutex::new(recovery),
        }
    }

    /// Notes what `result` says of the database, and passes it on.
    pub(crate) fn noticed<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Corrupt(reason)) = &result
            && self.state.fetch_or(1, Ordering::AcqRel) & 1 == 0
        {
            tracing::error!(
                reason,
                "the database is damaged: it is recovered when it is loaded or opened again"
            );
            let mark = self.mark.as_deref().map(files::create_file);
            if let Some(Err(error)) = mark {
                tracing::warn!(%error, "that the database is damaged could not be noted for the next start");
            }
        }
        result
    }

    pub(crate) fn is_damaged(&self) -> bool {
        self.state.load(Ordering::Acquire) & 1 == 1
    }

    /// Returns a number that is another one once the database is recovered.
    pub(crate) fn generation(&self) -> u64 {
        self.state.load(Ordering::Acquire) >> 1
    }

    /// Notes that the damaged file was replaced.
    pub(crate) fn recovered(&self, recovery: Option<Recovery>) {
        *self.slot() = recovery;
        // From odd to the next even number.
        self.state.fetch_add(1, Ordering::AcqRel);
    }

    /// Notes that the file was opened again, after others may have had it.
    pub(crate) fn reopened(&self, recovery: Option<Recovery>) {
        if recovery.is_some() {
            *self.slot() = recovery;
        }
        // From odd or even to the next even number: whatever was wrong was seen to when it was opened.
        let next = |state: u64| Some((state | 1) + 1);
        let _ = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
    }

    pub(crate) fn recovery(&self) -> Option<Recovery> {
        self.slot().clone()
    }

    fn slot(&self) -> MutexGuard<'_, Option<Recovery>> {
        // A value is moved in or cloned under it, so it is whole even if a thread panicked.
        self.recovery.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns whether a process before this one found the database at `path` damaged.
pub(crate) fn was_damaged(path: &Path) -> bool {
    files::damage_mark(path).exists()
}

/// Forgets that.
pub(crate) fn forget(path: &Path) -> io::Result<()> {
    match fs::remove_file(files::damage_mark(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
