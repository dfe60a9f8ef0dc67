//! The disk: which files a directory has, what of them is durable, and what a power loss leaves.

mod file;

use crate::vfs;
use file::File;
use std::{
    collections::BTreeMap,
    fs, io, mem,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use whimbrel_testkit::dice::Dice;

/// How long [`Disk::restore`] waits for files that are still open: connections have threads of their own.
const OPEN_FILES: Duration = Duration::from_secs(20);

/// A directory whose disk can lose its power under SQLite.
///
/// While it exists, every database that this process opens in that directory, by whatever way and however deep in a
/// library, reads and writes through it. What was not synced when the power goes is kept, lost or torn, sector by
/// sector, by the seed. Files that others than SQLite write in the directory count as never synced ([`Disk::trust_others`] changes that).
#[derive(Debug)]
pub struct Disk {
    core: Arc<Core>,
}

/// What a connection gets instead of the `PRAGMA synchronous` that it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synchronous {
    /// As asked.
    AsAsked,
    /// `NORMAL`: the log is synced before it is folded into the database, not at each commit.
    Normal,
    /// `OFF`: nothing is ever synced.
    Off,
}

#[derive(Debug)]
pub(crate) struct Core {
    dir: PathBuf,
    state: Mutex<State>,
    closed: Condvar,
}

#[derive(Debug)]
struct State {
    names: BTreeMap<PathBuf, Name>,
    /// What other files held when the power came.
    others: BTreeMap<PathBuf, Vec<u8>>,
    trusts_others: bool,
    power: Power,
    operations: u64,
    open: usize,
    synchronous: Synchronous,
    dice: Dice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Power {
    On,
    /// It goes at the operation after so many.
    Until(u64),
    /// It goes at the sync after so many.
    UntilSync(u64),
    Off,
}

/// A name in the directory.
#[derive(Debug, Default)]
struct Name {
    /// The file that it names.
    now: Option<File>,
    /// By which others than SQLite are noticed to have put another file there.
    inode: u64,
    /// The file that it named when the directory was last synced, if it is another one.
    before: Option<Option<File>>,
}

/// The power is off.
#[derive(Debug)]
pub(crate) struct NoPower;

impl Disk {
    /// Puts a disk under `dir`. Whatever happens to it is decided by `seed`.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn new(dir: &Path, seed: u64) -> io::Result<Self> {
        let dir = dir.canonicalize()?;
        let state = State {
            names: BTreeMap::new(),
            others: others(&dir, &BTreeMap::new())?,
            trusts_others: false,
            power: Power::On,
            operations: 0,
            open: 0,
            synchronous: Synchronous::AsAsked,
            dice: Dice::new(seed),
        };
        let core = Arc::new(Core {
            dir,
            state: Mutex::new(state),
            closed: Condvar::new(),
        });
        vfs::mount(&core);
        Ok(Self { core })
    }

    /// Gives connections that are opened from now on less than they ask for: a control that has to lose something.
    pub fn weaken(&self, synchronous: Synchronous) {
        self.core.state().synchronous = synchronous;
    }

    /// Takes files that others than SQLite write in the directory for synced: for a program that syncs them itself,
    /// which cannot be seen from here.
    pub fn trust_others(&self) {
        self.core.state().trusts_others = true;
    }

    /// Lets the power go at the write, sync, truncation or deletion after `operations` more of them.
    pub fn cut_after(&self, operations: u64) {
        self.core.state().power = Power::Until(operations);
    }

    /// Lets the power go at the sync after `syncs` more of them: everything of a commit is written, and nothing sure.
    pub fn cut_at_sync(&self, syncs: u64) {
        self.core.state().power = Power::UntilSync(syncs);
    }

    /// Lets the power go now.
    pub fn cut(&self) {
        self.core.state().power = Power::Off;
    }

    /// Returns whether the power is off.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.core.state().power == Power::Off
    }

    /// Returns how many writes, syncs, truncations and deletions there were since the power came.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.core.state().operations
    }

    /// Waits until every file is closed, leaves in the directory what survives, and gives the power back. Does
    /// nothing to the files if the power was on.
    ///
    /// # Errors
    /// When a file stays open, or the directory cannot be written.
    pub fn restore(&self) -> io::Result<()> {
        let state = self.core.state();
        let waited = self
            .core
            .closed
            .wait_timeout_while(state, OPEN_FILES, |state| state.open > 0);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.open > 0 {
            let message = format!("{} database files are still open", state.open);
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, message));
        }
        let state = &mut *state;
        if mem::replace(&mut state.power, Power::On) == Power::Off {
            if !state.trusts_others {
                let now = others(&self.core.dir, &state.names)?;
                restore_others(&state.others, &now, &mut state.dice)?;
            }
            for (path, name) in mem::take(&mut state.names) {
                restore_name(&path, name, &mut state.dice)?;
            }
        }
        state.names.clear();
        state.operations = 0;
        state.others = others(&self.core.dir, &state.names)?;
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        vfs::unmount(&self.core);
    }
}

impl Core {
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic under the lock is a failed test already.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one operation, and tells whether there is power for it. The state stays locked while it is done, so
    /// that the files and what is known of them change together.
    fn step(&self, is_sync: bool) -> (MutexGuard<'_, State>, Result<(), NoPower>) {
        let mut state = self.state();
        state.operations += 1;
        state.power = match state.power {
            Power::Until(0) => Power::Off,
            Power::Until(left) => Power::Until(left - 1),
            Power::UntilSync(0) if is_sync => Power::Off,
            Power::UntilSync(left) if is_sync => Power::UntilSync(left - 1),
            other => other,
        };
        let powered = if state.power == Power::Off {
            Err(NoPower)
        } else {
            Ok(())
        };
        (state, powered)
    }

    /// Says whether anything can be read or asked.
    pub(crate) fn powered(&self) -> Result<(), NoPower> {
        if self.state().power == Power::Off {
            Err(NoPower)
        } else {
            Ok(())
        }
    }

    pub(crate) fn synchronous(&self) -> Synchronous {
        self.state().synchronous
    }

    /// Notes that `path` is open; `open` opens it and returns whether it could.
    pub(crate) fn open(&self, path: &Path, open: impl FnOnce() -> bool) -> Result<(), NoPower> {
        self.powered()?;
        let mut state = self.state();
        let there = fs::read(path).ok();
        if !open() {
            return Ok(());
        }
        state.open += 1;
        let inode = fs::metadata(path).map_or(0, |meta| meta.ino());
        let name = state.names.entry(path.to_owned()).or_default();
        if name.inode == 0 || (name.now.is_some() && name.inode != inode) {
            *name = Name {
                now: there.map(File::durable),
                ..Name::default()
            };
        }
        name.inode = inode;
        if name.now.is_none() {
            name.now = Some(File::default());
            name.before.get_or_insert(None);
        }
        Ok(())
    }

    pub(crate) fn close(&self) {
        self.state().open -= 1;
        self.closed.notify_all();
    }

    /// A write that finds no power may have reached the disk all the same.
    pub(crate) fn write<T>(
        &self,
        path: &Path,
        at: usize,
        bytes: &[u8],
        write: impl FnOnce() -> T,
    ) -> Result<T, NoPower> {
        let was_off = self.powered().is_err();
        let (mut state, powered) = self.step(false);
        if !was_off && let Some(file) = state.file(path) {
            file.write(at, bytes);
        }
        powered.map(|()| write())
    }

    pub(crate) fn truncate<T>(
        &self,
        path: &Path,
        len: usize,
        truncate: impl FnOnce() -> T,
    ) -> Result<T, NoPower> {
        let (mut state, powered) = self.step(false);
        powered?;
        if let Some(file) = state.file(path) {
            file.truncate(len);
        }
        Ok(truncate())
    }

    /// SQLite syncs the directory with the first sync of a journal or log that it made.
    pub(crate) fn sync(&self, path: &Path, with_directory: bool) -> Result<(), NoPower> {
        let (mut state, powered) = self.step(true);
        powered?;
        if let Some(file) = state.file(path) {
            file.sync();
        }
        for (name, entry) in &mut state.names {
            if with_directory || name == path {
                entry.before = None;
            }
        }
        Ok(())
    }

    pub(crate) fn delete<T>(
        &self,
        path: &Path,
        with_directory: bool,
        delete: impl FnOnce() -> T,
    ) -> Result<T, NoPower> {
        let (mut state, powered) = self.step(false);
        powered?;
        if let Some(name) = state.names.get_mut(path) {
            let gone = name.now.take();
            name.before.get_or_insert(gone);
        }
        if with_directory {
            for entry in state.names.values_mut() {
                entry.before = None;
            }
        }
        Ok(delete())
    }
}

impl State {
    fn file(&mut self, path: &Path) -> Option<&mut File> {
        self.names.get_mut(path).and_then(|name| name.now.as_mut())
    }
}

fn restore_name(path: &Path, name: Name, dice: &mut Dice) -> io::Result<()> {
    let file = match name.before {
        Some(before) if dice.coin() => before,
        _ => name.now,
    };
    match file {
        Some(file) => fs::write(path, file.survivor(dice)),
        None => remove(path),
    }
}

fn restore_others(
    before: &BTreeMap<PathBuf, Vec<u8>>,
    now: &BTreeMap<PathBuf, Vec<u8>>,
    dice: &mut Dice,
) -> io::Result<()> {
    for (path, bytes) in now {
        match before.get(path) {
            None if dice.below(4) == 0 => remove(path)?,
            before => {
                let before = before.map(Vec::as_slice).unwrap_or_default();
                if before != bytes {
                    fs::write(path, file::never_synced(before, bytes, dice))?;
                }
            }
        }
    }
    Ok(())
}

/// Reads the files of `dir` that SQLite does not write through this, but for its index of the log: that one is
/// memory, and is made anew whatever it holds.
fn others(dir: &Path, names: &BTreeMap<PathBuf, Name>) -> io::Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let is_index = path.to_string_lossy().ends_with("-shm");
        if path.is_file() && !is_index && !names.contains_key(&path) {
            found.insert(path.clone(), fs::read(&path)?);
        }
    }
    Ok(found)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
