//! The empty program: it answers "pass on" and does nothing. What it takes is what showing a frame takes.
//!
//! Two instructions without an object file, which aya does not load; so the kernel is asked by hand.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result};
use nix::libc;

use super::kernel::Program;

const PROG_LOAD: libc::c_int = 5;
const PROG_TEST_RUN: libc::c_int = 10;

/// The beginning of `union bpf_attr` for `BPF_PROG_LOAD`. The kernel takes the rest for zeros.
#[repr(C)]
struct Load {
    kind: u32,
    instructions: u32,
    code: u64,
    license: u64,
}

/// The same for `BPF_PROG_TEST_RUN`.
#[repr(C)]
struct TestRun {
    program: u32,
    answer: u32,
    size_in: u32,
    size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
}

#[derive(Debug)]
pub(super) struct Empty(OwnedFd);

impl Empty {
    /// Of the same type as `program`: each type is shown frames in its own way.
    pub(super) fn load(program: Program) -> Result<Self> {
        const SCHED_CLS: u32 = 3;
        const XDP: u32 = 6;
        let (kind, answer) = match program {
            Program::Classifier => (SCHED_CLS, -1),
            Program::Xdp | Program::XdpGeneric => (XDP, 2_i32),
        };
        // `r0 = answer; exit`
        let set = 0xb7 | u64::from(answer.cast_unsigned()) << 32;
        let code = [set, 0x95];
        let mut load = Load {
            kind,
            instructions: 2,
            code: code.as_ptr() as u64,
            license: c"GPL".as_ptr() as u64,
        };
        let fd = ask(PROG_LOAD, &mut load).context("the kernel refuses an empty program")?;
        // SAFETY: the kernel made this descriptor for us just now.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// The mean time of one frame, in whole nanoseconds.
    pub(super) fn run(&self, frame: &[u8], repeat: u32) -> Result<u64> {
        let mut run = TestRun {
            program: self.0.as_raw_fd().cast_unsigned(),
            answer: 0,
            size_in: u32::try_from(frame.len())?,
            size_out: 0,
            data_in: frame.as_ptr() as u64,
            data_out: 0,
            repeat,
            duration: 0,
        };
        ask(PROG_TEST_RUN, &mut run).context("BPF_PROG_TEST_RUN of an empty program failed")?;
        Ok(u64::from(run.duration))
    }
}

fn ask<T>(command: libc::c_int, attributes: &mut T) -> io::Result<i32> {
    // SAFETY: `attributes` begins as `union bpf_attr` does for this command, and its pointers outlive the call.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_mut(attributes),
            size_of::<T>(),
        )
    };
    i32::try_from(answer)
        .ok()
        .filter(|answer| *answer >= 0)
        .ok_or_else(io::Error::last_os_error)
}
