//! The way from SQLite's C interface to [`Handle`] and back: the only unsafe code of the workspace, and no more than pointers.
//!
//! SQLite promises what the safety comments rely on: a file is closed once and not used afterwards, a connection doesn't
//! use a file from two threads at once, buffers are as long as it says, and paths end with a zero.
#![expect(unsafe_code, reason = "SQLite asks for its file systems as tables of C functions")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

use rusqlite::ffi;

use crate::cut::FileKind;
use crate::disk::{Disk, Failure};
use crate::handle::Handle;
use crate::locks::{Level, Slot};
use crate::mount;

/// What SQLite's own file system on Unix takes a sector to be.
const SECTOR: c_int = 4096;
const MAX_PATH: c_int = 1024;
const NAME: &CStr = c"ecs-powerloss";

/// A file as SQLite sees it: its table of functions, and behind it what is ours.
#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    handle: *mut Handle,
}

/// The functions of an open file. Version 2: with shared memory, without memory-mapped reads.
static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
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

/// Makes the file system known to SQLite, for as long as the process lives. Returns whether that worked.
pub(crate) fn register() -> bool {
    // SAFETY: SQLite initialises itself, and owns what it returns for as long as the process lives.
    let system = unsafe {
        if ffi::sqlite3_initialize() != ffi::SQLITE_OK {
            return false;
        }
        ffi::sqlite3_vfs_find(ptr::null())
    };
    // SAFETY: `system` is null or a file system that SQLite keeps.
    let Some(system_functions) = (unsafe { system.as_ref() }) else { return false };
    let vfs = Box::new(ffi::sqlite3_vfs {
        szOsFile: c_int::try_from(size_of::<File>()).unwrap_or(c_int::MAX),
        mxPathname: MAX_PATH,
        pNext: ptr::null_mut(),
        zName: NAME.as_ptr(),
        pAppData: system.cast(),
        xOpen: Some(open),
        xDelete: Some(delete),
        xAccess: Some(access),
        xFullPathname: Some(full_pathname),
        xDlOpen: None,
        xDlError: None,
        xDlSym: None,
        xDlClose: None,
        xRandomness: Some(randomness),
        xSleep: Some(sleep),
        xCurrentTimeInt64: Some(current_time),
        ..*system_functions
    });
    // SAFETY: the table is never freed, as SQLite asks.
    unsafe { ffi::sqlite3_vfs_register(Box::leak(vfs), 0) == ffi::SQLITE_OK }
}

/// What SQLite gets to hear.
fn code(result: Result<(), Failure>) -> c_int {
    match result {
        Ok(()) => ffi::SQLITE_OK,
        Err(Failure::PowerLost) => ffi::SQLITE_IOERR,
        Err(Failure::NotFlushed) => ffi::SQLITE_IOERR_FSYNC,
        Err(Failure::Busy) => ffi::SQLITE_BUSY,
        Err(Failure::NotThere) => ffi::SQLITE_CANTOPEN,
    }
}

/// A number that SQLite gives as a signed one and that is never negative.
fn unsigned(number: impl TryInto<usize>) -> usize {
    number.try_into().unwrap_or(usize::MAX)
}

/// The handle of an open file.
///
/// # Safety
/// `file` is one that `open` has filled and `close` has not seen yet, and no other reference to its handle lives.
unsafe fn handle<'a>(file: *mut ffi::sqlite3_file) -> &'a mut Handle {
    // SAFETY: see above; `File` begins with the part that SQLite knows.
    unsafe { &mut *(*file.cast::<File>()).handle }
}

/// The disk behind a path, and the name on it.
///
/// # Safety
/// `path` is null or ends with a zero, and lives as long as the answer.
unsafe fn resolve<'a>(path: *const c_char) -> Option<(std::sync::Arc<Disk>, &'a str)> {
    if path.is_null() {
        return None;
    }
    // SAFETY: see above.
    let path = unsafe { CStr::from_ptr(path) };
    mount::resolve(path.to_str().ok()?)
}

unsafe extern "C" fn open(
    _vfs: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    let file = file.cast::<File>();
    // SAFETY: SQLite gives `szOsFile` bytes, and wants the table to be null when opening fails.
    unsafe { (*file).base.pMethods = ptr::null() };
    let kind = match flags & 0x000F_FF00 {
        ffi::SQLITE_OPEN_MAIN_DB => FileKind::Database,
        ffi::SQLITE_OPEN_WAL => FileKind::Log,
        ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL => FileKind::Journal,
        _ => FileKind::Temporary,
    };
    let create = flags & ffi::SQLITE_OPEN_CREATE != 0;
    // SAFETY: the path is SQLite's.
    let opened = match unsafe { resolve(path) } {
        Some((disk, name)) => disk.open(Some(name), kind, create),
        // Files without a name are forgotten when they are closed: any disk will do.
        None if path.is_null() => Disk::blank(std::time::Duration::ZERO).open(None, kind, true),
        None => Err(Failure::NotThere),
    };
    match opened {
        Ok(opened) => {
            // SAFETY: as above; `out_flags` is null or a number of SQLite's.
            unsafe {
                (*file).handle = Box::into_raw(Box::new(opened));
                (*file).base.pMethods = &raw const METHODS;
                if let Some(out) = out_flags.as_mut() {
                    *out = flags;
                }
            }
            ffi::SQLITE_OK
        }
        Err(failure) => code(Err(failure)),
    }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    let file = file.cast::<File>();
    // SAFETY: `open` made the handle, and SQLite closes a file once.
    unsafe {
        drop(Box::from_raw((*file).handle));
        (*file).base.pMethods = ptr::null();
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    to: *mut c_void,
    length: c_int,
    offset: i64,
) -> c_int {
    // SAFETY: the file is open, and the buffer has `length` bytes. They may not be initialised, so they are now.
    let (handle, buffer) = unsafe {
        ptr::write_bytes(to.cast::<u8>(), 0, unsigned(length));
        (handle(file), std::slice::from_raw_parts_mut(to.cast::<u8>(), unsigned(length)))
    };
    match handle.read(unsigned(offset), buffer) {
        Ok(read) if read < buffer.len() => ffi::SQLITE_IOERR_SHORT_READ,
        other => code(other.map(drop)),
    }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    from: *const c_void,
    length: c_int,
    offset: i64,
) -> c_int {
    // SAFETY: the file is open, and the buffer has `length` bytes.
    let (handle, bytes) =
        unsafe { (handle(file), std::slice::from_raw_parts(from.cast::<u8>(), unsigned(length))) };
    code(handle.write(unsigned(offset), bytes))
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    // SAFETY: the file is open.
    code(unsafe { handle(file) }.truncate(unsigned(size)))
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: the file is open.
    code(unsafe { handle(file) }.sync())
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, out: *mut i64) -> c_int {
    // SAFETY: the file is open, and `out` is a number of SQLite's.
    let (handle, out) = unsafe { (handle(file), &mut *out) };
    code(handle.size().map(|size| *out = i64::try_from(size).unwrap_or(i64::MAX)))
}

/// SQLite counts its levels from 0 in the order of ours.
fn level(number: c_int) -> Level {
    match number {
        ffi::SQLITE_LOCK_NONE => Level::None,
        ffi::SQLITE_LOCK_SHARED => Level::Shared,
        ffi::SQLITE_LOCK_RESERVED => Level::Reserved,
        ffi::SQLITE_LOCK_PENDING => Level::Pending,
        _ => Level::Exclusive,
    }
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, to: c_int) -> c_int {
    // SAFETY: the file is open.
    code(unsafe { handle(file) }.lock(level(to)))
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, to: c_int) -> c_int {
    // SAFETY: the file is open.
    unsafe { handle(file) }.unlock(level(to));
    ffi::SQLITE_OK
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: the file is open, and `out` is a number of SQLite's.
    let (handle, out) = unsafe { (handle(file), &mut *out) };
    code(handle.is_reserved().map(|reserved| *out = c_int::from(reserved)))
}

unsafe extern "C" fn file_control(_file: *mut ffi::sqlite3_file, _what: c_int, _with: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_file: *mut ffi::sqlite3_file) -> c_int {
    SECTOR
}

/// What SQLite's own file system on Unix claims, so that SQLite works here as it does there.
unsafe extern "C" fn device_characteristics(_file: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE | ffi::SQLITE_IOCAP_SUBPAGE_READ
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    number: c_int,
    size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    // SAFETY: the file is open, and `out` is a pointer of SQLite's.
    let (handle, out) = unsafe { (handle(file), &mut *out) };
    let mapped = handle.map(unsigned(number), unsigned(size), extend != 0);
    code(mapped.map(|region| *out = region.unwrap_or(ptr::null_mut())))
}

unsafe extern "C" fn shm_lock(
    file: *mut ffi::sqlite3_file,
    first: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    let what = if flags & ffi::SQLITE_SHM_UNLOCK != 0 {
        Slot::Leave
    } else if flags & ffi::SQLITE_SHM_EXCLUSIVE != 0 {
        Slot::Take
    } else {
        Slot::Share
    };
    // SAFETY: the file is open.
    code(unsafe { handle(file) }.slot(unsigned(first), unsigned(count), what))
}

unsafe extern "C" fn shm_barrier(_file: *mut ffi::sqlite3_file) {
    std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, _delete: c_int) -> c_int {
    // SAFETY: the file is open.
    unsafe { handle(file) }.unmap();
    ffi::SQLITE_OK
}

unsafe extern "C" fn delete(_vfs: *mut ffi::sqlite3_vfs, path: *const c_char, sync_folder: c_int) -> c_int {
    // SAFETY: the path is SQLite's.
    let Some((disk, name)) = (unsafe { resolve(path) }) else { return ffi::SQLITE_IOERR_DELETE_NOENT };
    match disk.delete(name, sync_folder != 0) {
        Err(Failure::NotThere) => ffi::SQLITE_IOERR_DELETE_NOENT,
        other => code(other),
    }
}

unsafe extern "C" fn access(
    _vfs: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    _what: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: the path is SQLite's.
    let exists = match unsafe { resolve(path) } {
        Some((disk, name)) => disk.exists(name),
        None => Ok(false),
    };
    // SAFETY: `out` is a number of SQLite's.
    code(exists.map(|exists| unsafe { *out = c_int::from(exists) }))
}

/// Paths are used as they are; the folder of a disk need not be one of the system's.
unsafe extern "C" fn full_pathname(
    _vfs: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    length: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: the path ends with a zero, and `out` has `length` bytes.
    unsafe {
        let path = CStr::from_ptr(path).to_bytes_with_nul();
        if path.len() > unsigned(length) {
            return ffi::SQLITE_CANTOPEN;
        }
        ptr::copy_nonoverlapping(path.as_ptr().cast(), out, path.len());
    }
    ffi::SQLITE_OK
}

/// The system's own file system, which has random numbers, patience and the time.
///
/// # Safety
/// `vfs` is the one that `register` made.
unsafe fn system<'a>(vfs: *mut ffi::sqlite3_vfs) -> &'a mut ffi::sqlite3_vfs {
    // SAFETY: see above; it was found not to be null then, and lives as long as the process.
    unsafe { &mut *(*vfs).pAppData.cast() }
}

unsafe extern "C" fn randomness(vfs: *mut ffi::sqlite3_vfs, length: c_int, out: *mut c_char) -> c_int {
    // SAFETY: SQLite calls its own function with its own arguments, and its own file system.
    unsafe {
        let system = system(vfs);
        system.xRandomness.map_or(0, |function| function(system, length, out))
    }
}

unsafe extern "C" fn sleep(vfs: *mut ffi::sqlite3_vfs, microseconds: c_int) -> c_int {
    // SAFETY: as in `randomness`.
    unsafe {
        let system = system(vfs);
        system.xSleep.map_or(0, |function| function(system, microseconds))
    }
}

unsafe extern "C" fn current_time(vfs: *mut ffi::sqlite3_vfs, out: *mut i64) -> c_int {
    // SAFETY: as in `randomness`.
    unsafe {
        let system = system(vfs);
        system.xCurrentTimeInt64.map_or(ffi::SQLITE_ERROR, |function| function(system, out))
    }
}
