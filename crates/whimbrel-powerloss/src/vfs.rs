//! SQLite's interface to a file system, over the one for Unix: everything goes through to it, but what a [`Disk`] of
//! the directory forbids, and is noted there.
//!
//! [`Disk`]: crate::Disk

#![expect(
    unsafe_code,
    reason = "the interface is one of C: tables of functions, and pointers to structures"
)]

use crate::disk::{Core, NoPower, Synchronous};
use libsqlite3_sys as ffi;
use std::{
    ffi::{CStr, OsStr, c_char, c_int, c_void},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    ptr, slice,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
};

/// The disks that exist.
static DISKS: Mutex<Vec<Weak<Core>>> = Mutex::new(Vec::new());

/// The file system for Unix, once ours is in front of it.
static UNIX: OnceLock<Unix> = OnceLock::new();

/// The files that SQLite syncs the directory for.
const JOURNALS: c_int = ffi::SQLITE_OPEN_WAL | ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL;

#[derive(Debug)]
struct Unix(*mut ffi::sqlite3_vfs);

// SAFETY: SQLite never changes or frees the structure, and its functions may be called from any thread.
unsafe impl Send for Unix {}
// SAFETY: as above.
unsafe impl Sync for Unix {}

/// An open file: what SQLite sees of it. The file of the Unix file system follows right behind.
#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    /// A `Box`, or null for a file outside of every disk.
    on_disk: *mut OnDisk,
}

/// A file that is on a disk of ours.
struct OnDisk {
    core: Arc<Core>,
    path: PathBuf,
    syncs_directory: bool,
}

const METHODS: &ffi::sqlite3_io_methods = &ffi::sqlite3_io_methods {
    // The second version has shared memory; the third, memory-mapped pages, would write past us.
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// Puts `core` under its directory. The first one makes ours SQLite's default file system; files that are on no disk
/// go straight through it.
pub(crate) fn mount(core: &Arc<Core>) {
    UNIX.get_or_init(|| {
        // SAFETY: the default file system exists as soon as SQLite does, and is there for ever; a copy of it is as
        // good, since its functions take what they need from `pAppData`, which stays. What is registered is leaked,
        // so it is there for ever too.
        unsafe {
            ffi::sqlite3_initialize();
            let unix = ffi::sqlite3_vfs_find(ptr::null());
            let mut ours = *unix;
            ours.pNext = ptr::null_mut();
            ours.zName = c"whimbrel-powerloss".as_ptr();
            ours.szOsFile += c_int::try_from(size_of::<File>()).unwrap_or(c_int::MAX);
            ours.xOpen = Some(open);
            ours.xDelete = Some(delete);
            ours.xAccess = Some(access);
            ffi::sqlite3_vfs_register(Box::into_raw(Box::new(ours)), 1);
            Unix(unix)
        }
    });
    disks().push(Arc::downgrade(core));
}

pub(crate) fn unmount(core: &Arc<Core>) {
    disks().retain(|disk| disk.as_ptr() != Arc::as_ptr(core));
}

fn disks() -> MutexGuard<'static, Vec<Weak<Core>>> {
    DISKS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Finds the disk that a file is on.
///
/// # Safety
/// `name` is null or a C string.
unsafe fn disk_of(name: *const c_char) -> Option<(Arc<Core>, PathBuf)> {
    if name.is_null() {
        return None;
    }
    // SAFETY: not null, so a C string.
    let name = unsafe { CStr::from_ptr(name) };
    let path = Path::new(OsStr::from_bytes(name.to_bytes()));
    let dir = path.parent()?;
    let core = disks()
        .iter()
        .filter_map(Weak::upgrade)
        .find(|core| core.dir() == dir)?;
    Some((core, path.to_owned()))
}

fn unix() -> *mut ffi::sqlite3_vfs {
    UNIX.get().map_or(ptr::null_mut(), |unix| unix.0)
}

/// Calls a method of the Unix file system on its part of an open file.
macro_rules! pass_on {
    ($file:expr, $method:ident $(, $argument:expr)*) => {{
        let real = real($file);
        // SAFETY: SQLite calls methods of files that were opened only, and opening has opened both parts.
        match unsafe { (*(*real).pMethods).$method } {
            // SAFETY: the arguments are SQLite's own.
            Some(method) => unsafe { method(real $(, $argument)*) },
            None => unreachable_method(),
        }
    }};
}

/// The Unix file system has every method of its version.
fn unreachable_method<T: Missing>() -> T {
    T::missing()
}

trait Missing {
    fn missing() -> Self;
}

impl Missing for c_int {
    fn missing() -> Self {
        ffi::SQLITE_IOERR
    }
}

impl Missing for () {
    fn missing() -> Self {}
}

fn real(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    file.wrapping_byte_add(size_of::<File>())
}

/// The part of an open file that is ours, if it is on a disk.
///
/// # Safety
/// `file` was opened by [`open`], and is not closed while the result is used.
unsafe fn on_disk<'a>(file: *mut ffi::sqlite3_file) -> Option<&'a OnDisk> {
    // SAFETY: what `open` has made begins with a `File`.
    unsafe { (*file.cast::<File>()).on_disk.as_ref() }
}

/// # Safety
/// See [`on_disk`].
unsafe fn powered(file: *mut ffi::sqlite3_file) -> Result<(), NoPower> {
    // SAFETY: the caller's promise.
    unsafe { on_disk(file) }.map_or(Ok(()), |on_disk| on_disk.core.powered())
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    let ours = file.cast::<File>();
    let mut outcome = ffi::SQLITE_IOERR;
    let mut open = || {
        // SAFETY: the file system for Unix, and SQLite's own arguments; behind our part there is room for its own.
        unsafe {
            (*ours).base.pMethods = ptr::null();
            (*ours).on_disk = ptr::null_mut();
            if let Some(open) = (*unix()).xOpen {
                outcome = open(unix(), name, real(file), flags, out_flags);
            }
        }
        outcome == ffi::SQLITE_OK
    };
    // SAFETY: SQLite gives a C string, or null for a temporary file.
    let disk = unsafe { disk_of(name) };
    let on_disk = match disk {
        None => {
            open();
            ptr::null_mut()
        }
        Some((core, path)) => {
            if core.open(&path, &mut open).is_err() {
                // SAFETY: SQLite's own structure; without methods it is not closed.
                unsafe { (*ours).base.pMethods = ptr::null() };
                return ffi::SQLITE_IOERR;
            }
            let syncs_directory = flags & JOURNALS != 0;
            let on_disk = OnDisk {
                core,
                path,
                syncs_directory,
            };
            if outcome == ffi::SQLITE_OK {
                Box::into_raw(Box::new(on_disk))
            } else {
                ptr::null_mut()
            }
        }
    };
    if outcome == ffi::SQLITE_OK {
        // SAFETY: SQLite's own structure, of the size that we asked for.
        unsafe {
            (*ours).on_disk = on_disk;
            (*ours).base.pMethods = METHODS;
        }
    }
    outcome
}

unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, name: *const c_char, sync_directory: c_int) -> c_int {
    // SAFETY: the file system for Unix, and SQLite's own arguments. The directory is synced on our disk only.
    let delete = || unsafe {
        (*unix())
            .xDelete
            .map_or(ffi::SQLITE_IOERR, |delete| delete(unix(), name, 0))
    };
    // SAFETY: SQLite gives a C string.
    match unsafe { disk_of(name) } {
        None => delete(),
        Some((core, path)) => core
            .delete(&path, sync_directory != 0, delete)
            .unwrap_or(ffi::SQLITE_IOERR_DELETE),
    }
}

unsafe extern "C" fn access(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives a C string.
    if unsafe { disk_of(name) }.is_some_and(|(core, _)| core.powered().is_err()) {
        return ffi::SQLITE_IOERR_ACCESS;
    }
    // SAFETY: the file system for Unix, and SQLite's own arguments.
    unsafe {
        (*unix())
            .xAccess
            .map_or(ffi::SQLITE_IOERR, |access| access(unix(), name, flags, out))
    }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    let outcome = pass_on!(file, xClose);
    let ours = file.cast::<File>();
    // SAFETY: `open` has made the box, and nothing uses the file after this.
    unsafe {
        if !(*ours).on_disk.is_null() {
            let on_disk = Box::from_raw((*ours).on_disk);
            (*ours).on_disk = ptr::null_mut();
            on_disk.core.close();
        }
    }
    outcome
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, into: *mut c_void, len: c_int, at: i64) -> c_int {
    // SAFETY: an open file.
    if unsafe { powered(file) }.is_err() {
        return ffi::SQLITE_IOERR_READ;
    }
    pass_on!(file, xRead, into, len, at)
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, from: *const c_void, len: c_int, at: i64) -> c_int {
    let write = || pass_on!(file, xWrite, from, len, at);
    // SAFETY: an open file.
    let Some(on_disk) = (unsafe { on_disk(file) }) else {
        return write();
    };
    // SAFETY: SQLite gives so many bytes.
    let bytes = unsafe { slice::from_raw_parts(from.cast::<u8>(), usize::try_from(len).unwrap_or(0)) };
    let start = usize::try_from(at).unwrap_or(0);
    let written = on_disk.core.write(&on_disk.path, start, bytes, write);
    written.unwrap_or(ffi::SQLITE_IOERR_WRITE)
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, len: i64) -> c_int {
    let truncate = || pass_on!(file, xTruncate, len);
    // SAFETY: an open file.
    let Some(on_disk) = (unsafe { on_disk(file) }) else {
        return truncate();
    };
    let len = usize::try_from(len).unwrap_or(0);
    let done = on_disk.core.truncate(&on_disk.path, len, truncate);
    done.unwrap_or(ffi::SQLITE_IOERR_TRUNCATE)
}

/// Syncs on our disk only: what the machine under the test does with its own is of no interest.
unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: an open file.
    let Some(on_disk) = (unsafe { on_disk(file) }) else {
        return pass_on!(file, xSync, flags);
    };
    match on_disk.core.sync(&on_disk.path, on_disk.syncs_directory) {
        Ok(()) => ffi::SQLITE_OK,
        Err(NoPower) => ffi::SQLITE_IOERR_FSYNC,
    }
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, out: *mut i64) -> c_int {
    // SAFETY: an open file.
    if unsafe { powered(file) }.is_err() {
        return ffi::SQLITE_IOERR_FSTAT;
    }
    pass_on!(file, xFileSize, out)
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    pass_on!(file, xLock, level)
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    pass_on!(file, xUnlock, level)
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    pass_on!(file, xCheckReservedLock, out)
}

unsafe extern "C" fn file_control(file: *mut ffi::sqlite3_file, what: c_int, argument: *mut c_void) -> c_int {
    // SAFETY: an open file.
    let on_disk = unsafe { on_disk(file) };
    if let (Some(on_disk), ffi::SQLITE_FCNTL_PRAGMA) = (on_disk, what) {
        // SAFETY: with this code the argument is the pragma's result, name and value.
        unsafe { weaken(on_disk.core.synchronous(), argument.cast()) };
    }
    pass_on!(file, xFileControl, what, argument)
}

/// Makes another value of that of `PRAGMA synchronous`, which SQLite reads afterwards.
///
/// # Safety
/// `pragma` points to three pointers, of which the second and third are C strings or null; the third one is on
/// SQLite's heap and nobody else's.
unsafe fn weaken(synchronous: Synchronous, pragma: *mut *mut c_char) {
    let level = match synchronous {
        Synchronous::AsAsked => return,
        Synchronous::Normal => b'1',
        Synchronous::Off => b'0',
    };
    // SAFETY: the caller's promise. A value has at least one character, and the zero behind it.
    unsafe {
        let (name, value) = (*pragma.add(1), *pragma.add(2));
        if !name.is_null() && !value.is_null() && CStr::from_ptr(name) == c"synchronous" && *value != 0 {
            *value = level.cast_signed() as c_char;
            *value.add(1) = 0;
        }
    }
}

unsafe extern "C" fn sector_size(file: *mut ffi::sqlite3_file) -> c_int {
    pass_on!(file, xSectorSize)
}

unsafe extern "C" fn device_characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    pass_on!(file, xDeviceCharacteristics)
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    // SAFETY: an open file.
    if unsafe { powered(file) }.is_err() {
        return ffi::SQLITE_IOERR_SHMMAP;
    }
    pass_on!(file, xShmMap, region, size, extend, out)
}

unsafe extern "C" fn shm_lock(
    file: *mut ffi::sqlite3_file,
    offset: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    pass_on!(file, xShmLock, offset, count, flags)
}

unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    pass_on!(file, xShmBarrier);
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, delete: c_int) -> c_int {
    pass_on!(file, xShmUnmap, delete)
}
