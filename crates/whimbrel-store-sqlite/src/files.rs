use crate::error::cannot_open;
use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
};
use whimbrel_store::StoreError;

/// The right to write a database, held as an exclusive lock of the operating system on a file beside it. It ends
/// with the process, however that ends.
#[derive(Debug)]
pub(crate) struct Lock(
    #[expect(
        dead_code,
        reason = "it is held, not used: the lock ends when the file is closed"
    )]
    File,
);

/// Creates the directory (0700), the lock file and the database file (0600) as far as they are missing, and takes the
/// lock. Modes of what exists are left as they are.
pub(crate) fn prepare(path: &Path) -> Result<Lock, StoreError> {
    let failed = |what: &Path, error: &io::Error| cannot_open(path, format!("{}: {error}", what.display()));
    if path.is_dir() {
        return Err(cannot_open(path, "it is a directory; name a file in it"));
    }
    if let Some(dir) = path.parent().filter(|dir| !dir.exists()) {
        create_dir(dir).map_err(|error| failed(dir, &error))?;
    }
    let beside = lock_path(path);
    let lock = create_file(&beside).map_err(|error| failed(&beside, &error))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(StoreError::InUse {
                path: path.to_owned(),
            });
        }
        Err(TryLockError::Error(error)) => return Err(failed(&beside, &error)),
    }
    create_file(path).map_err(|error| failed(path, &error))?;
    Ok(Lock(lock))
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-lock");
    PathBuf::from(name)
}

fn create_dir(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)?;
    // The new name has to survive power loss as much as what will be in it.
    #[cfg(unix)]
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

fn create_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes `path` independent of the working directory, and of the names that mean something else to SQLite.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, StoreError> {
    std::path::absolute(path).map_err(|error| cannot_open(path, error.to_string()))
}

/// Checks that there is a file to read.
pub(crate) fn require_file(path: &Path) -> Result<(), StoreError> {
    match fs::metadata(path) {
        Ok(meta) if meta.is_file() => Ok(()),
        Ok(_) => Err(cannot_open(path, "it is not a file")),
        Err(error) => Err(cannot_open(path, error.to_string())),
    }
}
