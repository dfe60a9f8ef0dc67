//! Deleting a database, with everything that belongs to it: as a whole, however often it is interrupted.
//!
//! A mark beside it is made first, and is durable before anything is deleted. Without it the database is there as a whole; with
//! it, whoever opens the database next deletes the rest first.

use crate::files::{beside, create_file, lock_file, remove, sync_directory};
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use whimbrel_store::StoreError;

/// What follows the database's name in the names of its files. The lock and the mark are apart: they go last.
const SUFFIXES: [&str; 7] = [
    "",
    "-wal",
    "-shm",
    "-journal",
    "-outbox",
    "-outbox.new",
    "-damaged",
];

/// The same of a file that was set aside, after its number.
const ASIDE: [&str; 4] = ["", "-wal", "-shm", "-journal"];

/// Deletes the database at `path`, of which the caller has the lock and no connection. Returns which files.
pub(crate) fn delete(path: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let kept = |error| StoreError::CannotDelete(format!("{path:?}: {error}; nothing was deleted"));
    create_file(&mark(path))
        .and_then(|mark| mark.sync_all())
        .and_then(|()| sync_directory(path))
        .map_err(kept)?;
    let rest = |error| {
        let next = "what is left is deleted when it is opened next, or by hand";
        StoreError::CannotDelete(format!("{path:?}: {error}; {next}"))
    };
    let mut deleted = finish(path).map_err(rest)?;
    let lock = lock_file(path);
    remove(&lock).map_err(rest)?;
    deleted.push(lock);
    Ok(deleted)
}

/// Finishes a deletion that was interrupted, if there was one.
pub(crate) fn finish_if_begun(path: &Path) -> io::Result<()> {
    if is_begun(path) {
        let deleted = finish(path)?;
        tracing::info!(?deleted, "a deletion that was interrupted is finished");
    }
    Ok(())
}

/// Returns whether the database at `path` is one that is being deleted.
pub(crate) fn is_begun(path: &Path) -> bool {
    mark(path).exists()
}

fn mark(path: &Path) -> PathBuf {
    beside(path, "-deleted")
}

fn finish(path: &Path) -> io::Result<Vec<PathBuf>> {
    let deleted = files_of(path)?;
    for file in &deleted {
        remove(file)?;
    }
    sync_directory(path)?;
    if let Some(left) = files_of(path)?.first() {
        return Err(io::Error::other(format!("{left:?} is still there")));
    }
    remove(&mark(path))?;
    sync_directory(path)?;
    Ok(deleted)
}

/// Returns the files that belong to the database at `path` and are there. Not whatever begins with its name, which other
/// databases may.
fn files_of(path: &Path) -> io::Result<Vec<PathBuf>> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(Vec::new());
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?.file_name();
        let rest = entry.as_encoded_bytes().strip_prefix(name.as_encoded_bytes());
        if rest.is_some_and(belongs) {
            files.push(directory.join(entry));
        }
    }
    files.sort();
    Ok(files)
}

fn belongs(rest: &[u8]) -> bool {
    let aside = rest.strip_prefix(b".damaged-").is_some_and(|rest| {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        digits > 0 && ASIDE.iter().any(|suffix| suffix.as_bytes() == &rest[digits..])
    });
    aside || SUFFIXES.iter().any(|suffix| suffix.as_bytes() == rest)
}
