use crate::{deleting, error::cannot_open};
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
/// lock. Modes of what exists are left as they are. A deletion that was interrupted is finished.
pub(crate) fn prepare(path: &Path) -> Result<Lock, StoreError> {
    let failed = |what: &Path, error: &io::Error| cannot_open(path, format!("{}: {error}", what.display()));
    if path.is_dir() {
        return Err(cannot_open(path, "it is a directory; name a file in it"));
    }
    if let Some(dir) = path.parent().filter(|dir| !dir.exists()) {
        create_dir(dir).map_err(|error| failed(dir, &error))?;
    }
    let lock = lock(path)?;
    deleting::finish_if_begun(path).map_err(|error| failed(path, &error))?;
    create_file(path).map_err(|error| failed(path, &error))?;
    Ok(lock)
}

/// Takes the lock of the database at `path`, whose directory exists.
pub(crate) fn lock(path: &Path) -> Result<Lock, StoreError> {
    let lock_path = lock_file(path);
    let failed = |error: &io::Error| cannot_open(path, format!("{}: {error}", lock_path.display()));
    loop {
        let lock = create_file(&lock_path).map_err(|error| failed(&error))?;
        match lock.try_lock() {
            // Whoever deleted the database deleted the lock too, and the next one makes another: this one would lock nothing.
            Ok(()) if !is_at(&lock, &lock_path) => {}
            Ok(()) => return Ok(Lock(lock)),
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::InUse {
                    path: path.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed(&error)),
        }
    }
}

/// Returns whether the open file is still the one of that name.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let id = |meta: fs::Metadata| (meta.dev(), meta.ino());
    let there = fs::metadata(path).map(id).ok();
    there.is_some() && file.metadata().map(id).ok() == there
}

/// Elsewhere the name of an open file is not free before the file is closed.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

/// The path of the file that holds the right to write.
pub(crate) fn lock_file(path: &Path) -> PathBuf {
    beside(path, "-lock")
}

/// The path of a file that belongs to `path`.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The path of the outbox journal.
pub(crate) fn journal(path: &Path) -> PathBuf {
    beside(path, "-outbox")
}

/// The path of the file that says that the database was found damaged.
pub(crate) fn damage_mark(path: &Path) -> PathBuf {
    beside(path, "-damaged")
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

pub(crate) fn create_file(path: &Path) -> io::Result<File> {
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

/// Moves the database at `path` to a name that is free, with its logs, and makes sure that it stays there. Returns
/// where; nothing if there was no file, or only empty ones.
pub(crate) fn set_aside(path: &Path) -> io::Result<Option<PathBuf>> {
    let free = |n: &u32| {
        ["", "-wal"]
            .iter()
            .all(|suffix| !beside(path, &format!(".damaged-{n}{suffix}")).exists())
    };
    let to = beside(path, &format!(".damaged-{}", (1..).find(free).unwrap_or(0)));
    let mut moved_to = None;
    // The database first: without it, a log is nothing that SQLite would look at.
    for suffix in ["", "-wal", "-journal"] {
        let from = beside(path, suffix);
        if fs::metadata(&from).is_ok_and(|meta| meta.len() > 0) {
            fs::rename(&from, beside(&to, suffix))?;
            moved_to = Some(to.clone());
        } else {
            remove(&from)?;
        }
    }
    remove(&beside(path, "-shm"))?;
    sync_directory(path)?;
    Ok(moved_to)
}

/// Makes the names in the directory of `path` as durable as what is in the files.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(dir) = path.parent() {
        File::open(dir)?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Deletes a file, if it is there.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Returns whether the file at `path` says that it is a SQLite database of the application `id`.
pub(crate) fn is_of(path: &Path, id: u32) -> bool {
    let mut header = [0; 100];
    let read = File::open(path).and_then(|mut file| io::Read::read_exact(&mut file, &mut header));
    read.is_ok() && header.starts_with(b"SQLite format 3\0") && header[68..72] == id.to_be_bytes()
}

/// Checks that there is a file to read.
pub(crate) fn require_file(path: &Path) -> Result<(), StoreError> {
    match fs::metadata(path) {
        Ok(_) if deleting::is_begun(path) => Err(cannot_open(path, "it is being deleted")),
        Ok(meta) if meta.is_file() => Ok(()),
        Ok(_) => Err(cannot_open(path, "it is not a file")),
        Err(error) => Err(cannot_open(path, error.to_string())),
    }
}
