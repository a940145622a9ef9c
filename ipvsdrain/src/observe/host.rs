//! Collects the facts: struct layouts from BTF, function addresses from kallsyms, our network namespace.
//!
//! Reads files only, and only those named in [`Sources`]; judges nothing.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use btf_rs::{Btf, Type};

use super::Sources;
use super::error::ObserveError;
use super::facts::{Facts, FunctionType, Member, Members, STRUCTS, TRACED, XMITS};

const VMLINUX: &str = "/sys/kernel/btf/vmlinux";
const MODULE: &str = "/sys/kernel/btf/ip_vs";
const KALLSYMS: &str = "/proc/kallsyms";
const NETWORK: &str = "/proc/thread-self/ns/net";

/// Reads everything the plan needs.
pub(super) fn collect(sources: &Sources) -> Result<Facts, ObserveError> {
    let kallsyms = sources
        .kallsyms
        .clone()
        .unwrap_or_else(|| PathBuf::from(KALLSYMS));
    let symbols = Symbols::read(&kallsyms)?;
    let types = types(sources, &symbols)?;
    let mut structs = BTreeMap::new();
    for name in STRUCTS {
        if let Some(members) = types.members_of(name)? {
            structs.insert(name.to_owned(), members);
        }
    }
    // A number in type information from elsewhere could mean another function here.
    let is_own = sources.module_btf.is_none() && sources.vmlinux_btf.is_none();
    let traced = types.function(TRACED).filter(|_| is_own);
    Ok(Facts {
        structs,
        traced: traced.map(|id| FunctionType {
            id,
            is_of_module: symbols.is_module,
        }),
        functions: symbols.addresses,
        network: network()?,
    })
}

/// The functions of interest, from kallsyms.
struct Symbols {
    addresses: BTreeMap<String, u64>,
    /// Whether `ip_vs` is a module here, and not part of the kernel itself.
    is_module: bool,
}

impl Symbols {
    fn read(path: &Path) -> Result<Self, ObserveError> {
        let unreadable = |source| ObserveError::Unreadable {
            what: "the kernel's symbol table",
            path: path.to_owned(),
            source,
        };
        let mut symbols = Symbols {
            addresses: BTreeMap::new(),
            is_module: false,
        };
        for line in BufReader::new(File::open(path).map_err(unreadable)?).lines() {
            let line = line.map_err(unreadable)?;
            // "ffffffffc0a01234 t ip_vs_dr_xmit	[ip_vs]"
            let mut words = line.split_ascii_whitespace();
            let (Some(address), Some(_), Some(name)) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            if name != TRACED && !XMITS.contains(&name) {
                continue;
            }
            symbols.is_module = words.next().is_some();
            symbols
                .addresses
                .insert(name.to_owned(), u64::from_str_radix(address, 16).unwrap_or(0));
        }
        if symbols.addresses.is_empty() {
            return Err(ObserveError::IpvsNotLoaded);
        }
        if symbols.addresses.values().all(|address| *address == 0) {
            return Err(ObserveError::AddressesHidden {
                path: path.to_owned(),
            });
        }
        Ok(symbols)
    }
}

/// The type information that describes `ip_vs`, and where it came from.
struct Types {
    btf: Btf,
    path: PathBuf,
}

fn types(sources: &Sources, symbols: &Symbols) -> Result<Types, ObserveError> {
    let path = sources
        .vmlinux_btf
        .clone()
        .unwrap_or_else(|| PathBuf::from(VMLINUX));
    let base = Types {
        btf: Btf::from_file(&path).map_err(|fault| broken(&path, fault))?,
        path,
    };
    if !symbols.is_module && sources.module_btf.is_none() {
        return Ok(base);
    }
    let path = sources
        .module_btf
        .clone()
        .unwrap_or_else(|| PathBuf::from(MODULE));
    let btf = Btf::from_split_file(&path, &base.btf).map_err(|fault| broken(&path, fault))?;
    Ok(Types { btf, path })
}

fn broken(path: &Path, fault: btf_rs::Error) -> ObserveError {
    let path = path.to_owned();
    match fault {
        btf_rs::Error::IO(source) if source.kind() == io::ErrorKind::NotFound => {
            ObserveError::NoTypes { path }
        }
        btf_rs::Error::IO(source) if source.kind() != io::ErrorKind::UnexpectedEof => {
            ObserveError::Unreadable {
                what: "the kernel's type information",
                path,
                source,
            }
        }
        other => ObserveError::BrokenTypes {
            path,
            fault: other.to_string(),
        },
    }
}

impl Types {
    /// The members of struct `name`, or `None` where there is no such struct.
    fn members_of(&self, name: &str) -> Result<Option<Members>, ObserveError> {
        // A name that does not occur is an error to some and an empty list to others.
        for found in self.btf.resolve_types_by_name(name).unwrap_or_default() {
            if let Type::Struct(found) = found {
                let mut members = Members::new();
                self.gather(&found, 0, &mut members)
                    .map_err(|fault| broken(&self.path, fault))?;
                return Ok(Some(members));
            }
        }
        Ok(None)
    }

    /// The number of the type of function `name`.
    fn function(&self, name: &str) -> Option<u32> {
        let ids = self.btf.resolve_ids_by_name(name).unwrap_or_default();
        ids.into_iter()
            .find(|id| matches!(self.btf.resolve_type_by_id(*id), Ok(Type::Func(_))))
    }

    /// Adds the members of a struct or union that starts at `base` bytes.
    fn gather(&self, of: &btf_rs::Struct, base: u32, members: &mut Members) -> Result<(), btf_rs::Error> {
        for member in &of.members {
            if member.bitfield_size().is_some_and(|bits| bits != 0) {
                continue;
            }
            let offset = base + member.bit_offset() / 8;
            let member_type = self.btf.resolve_chained_type(member)?;
            let name = self.btf.resolve_name(member).unwrap_or_default();
            match &member_type {
                Type::Struct(inner) | Type::Union(inner) if name.is_empty() => {
                    self.gather(inner, offset, members)?;
                }
                _ => {
                    members.insert(
                        name,
                        Member {
                            offset,
                            size: self.size(member_type)?,
                        },
                    );
                }
            }
        }
        Ok(())
    }

    /// The size of a type in bytes; 0 where it has none.
    fn size(&self, of: Type) -> Result<u32, btf_rs::Error> {
        let mut at = of;
        let mut count = 1;
        loop {
            let size = match &at {
                Type::Int(int) => int.size(),
                Type::Struct(inner) | Type::Union(inner) => inner.size(),
                Type::Enum(inner) => inner.size(),
                Type::Enum64(inner) => inner.size(),
                Type::Float(inner) => inner.size(),
                Type::Ptr(_) => size_of::<u64>(),
                Type::Array(array) => {
                    count *= array.len();
                    at = self.btf.resolve_chained_type(array)?;
                    continue;
                }
                other => match other.as_btf_type() {
                    Some(inner) if inner.get_type_id().is_some() => {
                        at = self.btf.resolve_chained_type(inner)?;
                        continue;
                    }
                    _ => 0,
                },
            };
            return Ok(u32::try_from(size * count).unwrap_or(0));
        }
    }
}

/// The inode number of the calling thread's network namespace.
pub(super) fn network() -> Result<u32, ObserveError> {
    let unreadable = |source| ObserveError::Unreadable {
        what: "the network namespace",
        path: PathBuf::from(NETWORK),
        source,
    };
    let inode = fs::metadata(NETWORK).map_err(unreadable)?.ino();
    u32::try_from(inode).map_err(|_| unreadable(io::Error::other("its number exceeds 32 bits")))
}
