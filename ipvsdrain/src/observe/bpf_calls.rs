//! The few `bpf(2)` calls that aya does not offer: type information of modules, programs traced by it and what such a
//! program cost, and many elements of a map at once.
//!
//! Owns the unsafe code of all these. Each call is one function with safe arguments; none decides anything.

use std::ffi::{CStr, CString};
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use aya::Pod;
use aya::maps::{HashMap, IterableMap, MapData};
use aya_obj::generated::{
    bpf_attach_type, bpf_attr, bpf_btf_info, bpf_cmd, bpf_insn, bpf_prog_info, bpf_prog_type,
};
use nix::libc;

/// Room for the verifier's log. Older kernels refuse to load at all where it does not fit.
const LOG_ROOM: usize = 4 << 20;

/// What a program to be run at a function's entry is loaded with.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) instructions: &'a [bpf_insn],
    pub(super) license: &'a CStr,
    /// The type information that describes the function: of its module, or `None` for the kernel's own.
    pub(super) types: Option<BorrowedFd<'a>>,
    /// The function's number therein.
    pub(super) function: u32,
}

/// The number of the type information that follows `after` in the kernel's list; `None` at its end.
pub(super) fn next_types(after: u32) -> io::Result<Option<u32>> {
    let mut attr = zeroed();
    attr.__bindgen_anon_6.__bindgen_anon_1.start_id = after;
    match call(bpf_cmd::BPF_BTF_GET_NEXT_ID, &mut attr) {
        // SAFETY: all members of this union are plain numbers, and the kernel has written this one.
        Ok(_) => Ok(Some(unsafe { attr.__bindgen_anon_6.next_id })),
        Err(fault) if fault.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Opens type information by number.
pub(super) fn open_types(id: u32) -> io::Result<OwnedFd> {
    let mut attr = zeroed();
    attr.__bindgen_anon_6.__bindgen_anon_1.btf_id = id;
    descriptor(bpf_cmd::BPF_BTF_GET_FD_BY_ID, &mut attr)
}

/// Whether this is the kernel's type information of the module `name`, which may not be longer than a module's name.
pub(super) fn are_types_of(types: &OwnedFd, name: &str) -> io::Result<bool> {
    let mut found = [0_u8; 64];
    let mut info = bpf_btf_info {
        btf: 0,
        btf_size: 0,
        id: 0,
        name: found.as_mut_ptr() as u64,
        name_len: length(found.len()),
        kernel_btf: 0,
    };
    let mut attr = zeroed();
    attr.info.bpf_fd = number(types.as_raw_fd());
    attr.info.info = (&raw mut info) as u64;
    attr.info.info_len = length(size_of::<bpf_btf_info>());
    // The kernel writes to `info` and `found`, both alive and as long as it was told.
    call(bpf_cmd::BPF_OBJ_GET_INFO_BY_FD, &mut attr)?;
    let is_named = CStr::from_bytes_until_nul(&found).is_ok_and(|found| found.to_bytes() == name.as_bytes());
    Ok(info.kernel_btf != 0 && is_named)
}

/// Loads a program. A second try asks the verifier why the first was refused; its log comes with the error.
pub(super) fn load(entry: &Entry<'_>) -> Result<OwnedFd, (io::Error, String)> {
    if let Ok(program) = try_load(entry, &mut []) {
        return Ok(program);
    }
    let mut log = vec![0; LOG_ROOM];
    try_load(entry, &mut log).map_err(|fault| {
        let said = CStr::from_bytes_until_nul(&log).unwrap_or_default();
        (fault, said.to_string_lossy().into_owned())
    })
}

fn try_load(entry: &Entry<'_>, log: &mut [u8]) -> io::Result<OwnedFd> {
    let mut attr = zeroed();
    // SAFETY: all bits of this union are zero, which is a valid value of each of its members.
    let load = unsafe { &mut attr.__bindgen_anon_3 };
    load.prog_type = bpf_prog_type::BPF_PROG_TYPE_TRACING as u32;
    load.expected_attach_type = bpf_attach_type::BPF_TRACE_FENTRY as u32;
    load.insns = entry.instructions.as_ptr() as u64;
    load.insn_cnt = length(entry.instructions.len());
    load.license = entry.license.as_ptr() as u64;
    load.attach_btf_id = entry.function;
    load.__bindgen_anon_1.attach_btf_obj_fd = entry.types.map_or(0, |types| number(types.as_raw_fd()));
    if !log.is_empty() {
        load.log_level = 1;
        load.log_buf = log.as_mut_ptr() as u64;
        load.log_size = length(log.len());
    }
    descriptor(bpf_cmd::BPF_PROG_LOAD, &mut attr)
}

/// Attaches a loaded program to the function it was loaded for, until the returned link is closed.
pub(super) fn attach(program: &OwnedFd) -> io::Result<OwnedFd> {
    let mut attr = zeroed();
    // The kernel's name for it; without a name of a tracepoint it means the function named at loading.
    attr.raw_tracepoint.prog_fd = number(program.as_raw_fd());
    descriptor(bpf_cmd::BPF_RAW_TRACEPOINT_OPEN, &mut attr)
}

/// How often a program ran and for how long, since it was loaded. Counts while the host wants it counted.
pub(super) fn runs(program: BorrowedFd<'_>) -> io::Result<(u64, Duration)> {
    // SAFETY: plain numbers, for all of which zero is valid. Lengths of zero ask for no list, and the kernel wants what it
    // does not know zero.
    let mut info: bpf_prog_info = unsafe { mem::zeroed() };
    let mut attr = zeroed();
    attr.info.bpf_fd = number(program.as_raw_fd());
    attr.info.info = (&raw mut info) as u64;
    attr.info.info_len = length(size_of::<bpf_prog_info>());
    // The kernel writes to `info`, which is alive and as long as it was told.
    call(bpf_cmd::BPF_OBJ_GET_INFO_BY_FD, &mut attr)?;
    Ok((info.run_cnt, Duration::from_nanos(info.run_time_ns)))
}

/// Gives an object a name in a bpf file system.
pub(super) fn pin(object: &OwnedFd, path: &Path) -> io::Result<()> {
    let name = CString::new(path.as_os_str().as_bytes())?;
    let mut attr = zeroed();
    attr.__bindgen_anon_4.pathname = name.as_ptr() as u64;
    attr.__bindgen_anon_4.bpf_fd = number(object.as_raw_fd());
    call(bpf_cmd::BPF_OBJ_PIN, &mut attr).map(drop)
}

/// How far the reading of a hash map is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Position {
    Beginning,
    /// The kernel's own mark.
    At(u32),
    End,
}

/// Reads the next elements of a hash map, as many as there is room for, and returns how many they are.
pub(super) fn read_batch<K: Pod, V: Pod>(
    map: &HashMap<MapData, K, V>,
    position: &mut Position,
    keys: &mut [K],
    values: &mut [V],
) -> io::Result<usize> {
    // The kernel rounds the length of a value up to this; that of a key it takes as it is.
    const { assert!(size_of::<V>().is_multiple_of(8)) };
    let mut next = 0_u32;
    let mut attr = zeroed();
    attr.batch.in_batch = match position {
        Position::Beginning => 0,
        Position::At(mark) => (&raw const *mark) as u64,
        Position::End => return Ok(0),
    };
    attr.batch.out_batch = (&raw mut next) as u64;
    attr.batch.keys = keys.as_mut_ptr() as u64;
    attr.batch.values = values.as_mut_ptr() as u64;
    attr.batch.count = length(keys.len().min(values.len()));
    attr.batch.map_fd = number(map.map().fd().as_fd().as_raw_fd());
    // The kernel writes at most `count` keys and values, of the sizes that aya compared with `K` and `V`, and `next`.
    let ended = match call(bpf_cmd::BPF_MAP_LOOKUP_BATCH, &mut attr) {
        Ok(_) => Position::At(next),
        Err(fault) if fault.raw_os_error() == Some(libc::ENOENT) => Position::End,
        Err(fault) => return Err(fault),
    };
    *position = ended;
    // SAFETY: a plain number, which the kernel set.
    let read = unsafe { attr.batch.count };
    Ok(read as usize)
}

fn zeroed() -> bpf_attr {
    // SAFETY: a union of structs of plain numbers, for all of which zero is valid. The kernel wants unused bytes zero.
    unsafe { mem::zeroed() }
}

fn descriptor(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<OwnedFd> {
    let raw = RawFd::try_from(call(command, attr)?).map_err(io::Error::other)?;
    // SAFETY: the commands that come here return a new descriptor, which nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

fn call(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<libc::c_long> {
    let size = size_of::<bpf_attr>();
    // SAFETY: `attr` is as long as is said. Addresses inside it are those of values the callers above hold borrowed
    // during the call, with their true lengths.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command as libc::c_long, &raw mut *attr, size) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

/// A descriptor as the kernel's struct wants it. No open one is negative.
fn number(descriptor: RawFd) -> u32 {
    u32::try_from(descriptor).unwrap_or(u32::MAX)
}

/// A length as the kernel's struct wants it. One that does not fit is refused by the kernel as too long.
fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
