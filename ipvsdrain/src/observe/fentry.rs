//! The probe on `ip_vs_conn_put` as fentry, which aya loads for functions of the kernel proper alone.
//!
//! Owns the one program that is not aya's: it is taken out of the same object, joined to the maps aya has created,
//! loaded and attached. Every failure has a cause in words and leaves nothing behind; what then is not decided here.

use std::collections::HashSet;
use std::ffi::CString;
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;

use aya::Ebpf;
use aya::maps::{Map, MapData};
use aya::programs::links::{FdLink, PinnedLink};
use aya_obj::generated::bpf_insn;

use super::bpf_calls::{self, Entry};
use super::facts::FunctionType;
use super::faults::with_causes;

/// The program's name in the object.
const PROGRAM: &str = "conn_put_fentry";

const MODULE: &str = "ip_vs";

/// Loaded and verified; attached once [`Fentry::attach`] has succeeded, until it is dropped.
#[derive(Debug)]
pub(super) struct Fentry {
    program: OwnedFd,
    link: Option<OwnedFd>,
}

impl Fentry {
    /// Loads the program of `object` with the maps of `programs`, of which none may have been taken yet.
    pub(super) fn load(object: &[u8], programs: &Ebpf, function: FunctionType) -> Result<Self, String> {
        let types = function.is_of_module.then(module_types).transpose().map_err(|fault| {
            format!("opening the type information of module {MODULE} failed, which takes CAP_SYS_ADMIN: {fault}")
        })?;
        let (instructions, license) = joined(object, programs)?;
        let entry = Entry {
            instructions: &instructions,
            license: &license,
            types: types.as_ref().map(AsFd::as_fd),
            function: function.id,
        };
        let program = bpf_calls::load(&entry).map_err(|(fault, log)| refusal(&fault, &log))?;
        Ok(Self { program, link: None })
    }

    /// The program, and its name in the object.
    pub(super) fn program(&self) -> (&'static str, BorrowedFd<'_>) {
        (PROGRAM, self.program.as_fd())
    }

    /// Attaching what is attached changes nothing.
    pub(super) fn attach(&mut self) -> Result<(), String> {
        if self.link.is_some() {
            return Ok(());
        }
        let link = bpf_calls::attach(&self.program).map_err(|fault| format!("attaching failed: {fault}"))?;
        self.link = Some(link);
        Ok(())
    }

    /// Pins what is attached, and opens it by that name.
    pub(super) fn pin(&self, path: &Path) -> Result<FdLink, String> {
        let link = self.link.as_ref().ok_or("it is not attached")?;
        bpf_calls::pin(link, path).map_err(|fault| fault.to_string())?;
        let pinned = PinnedLink::from_pin(path).map_err(|fault| with_causes(&fault))?;
        Ok(pinned.into())
    }
}

/// The type information of `ip_vs`, for which the kernel gives no name to open it by.
fn module_types() -> io::Result<OwnedFd> {
    let mut last = 0;
    while let Some(id) = bpf_calls::next_types(last)? {
        last = id;
        match bpf_calls::open_types(id) {
            Ok(types) if bpf_calls::are_types_of(&types, MODULE)? => return Ok(types),
            Ok(_) => {}
            // Unloaded between the two calls.
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => {}
            Err(fault) => return Err(fault),
        }
    }
    Err(io::Error::other(format!("none of module {MODULE} is loaded")))
}

/// The program's instructions, with the maps of `programs` filled in, and its licence. The read-only globals lie in
/// one of those maps, so what aya has written there counts here too.
fn joined(object: &[u8], programs: &Ebpf) -> Result<(Vec<bpf_insn>, CString), String> {
    let mut object = aya_obj::Object::parse(object).map_err(|fault| fault.to_string())?;
    let maps = mem::take(&mut object.maps);
    let text: HashSet<usize> = object.functions.keys().map(|(section, _)| *section).collect();
    let descriptors = programs
        .maps()
        .filter_map(|(name, map)| Some((name, descriptor(map)?, maps.get(name)?)));
    object
        .relocate_maps(descriptors, &text)
        .and_then(|()| object.relocate_calls(&text))
        .map_err(|fault| with_causes(&fault))?;
    let program = object
        .programs
        .get(PROGRAM)
        .ok_or_else(|| format!("the object has no program {PROGRAM}"))?;
    let function = object
        .functions
        .remove(&program.function_key())
        .ok_or_else(|| format!("the object has no code for {PROGRAM}"))?;
    Ok((function.instructions, program.license.clone()))
}

/// Of a map of the kinds the programs use.
fn descriptor(map: &Map) -> Option<RawFd> {
    let data: &MapData = match map {
        Map::Array(data) | Map::HashMap(data) | Map::PerCpuArray(data) | Map::RingBuf(data) => data,
        _ => return None,
    };
    Some(data.fd().as_fd().as_raw_fd())
}

/// The errno, and the line in which the verifier says why: the last one before its statistics.
fn refusal(fault: &io::Error, log: &str) -> String {
    let said = log.lines().map(str::trim).rfind(|line| {
        !line.is_empty() && !line.starts_with("processed ") && !line.starts_with("verification time")
    });
    match said {
        Some(line) => format!("loading failed: {fault}: {line}"),
        None => format!("loading failed: {fault}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_ends_with_the_verifiers_reason() {
        let log = "0: R1=ctx()\nR2 is ptr_ip_vs_conn invalid variable offset\nprocessed 9 insns (limit 1000000)\n\n";
        let fault = io::Error::from_raw_os_error(13);
        let said = refusal(&fault, log);
        assert!(
            said.ends_with("invalid variable offset") && said.contains("os error 13"),
            "{said}"
        );
        assert!(refusal(&fault, "").ends_with("(os error 13)"));
    }
}
