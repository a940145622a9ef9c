//! One level of attributes, read from bytes. Unknown attributes are kept aside, short ones are an error.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::identity::Family;
use crate::ipvs::error::Error;

/// Bytes before an attribute's payload: its length (which counts them) and its number.
const HEADER: usize = 4;
/// The number's upper bits say "nested" and "network order"; the kernel sets neither for IPVS, others may.
const NUMBER: u16 = 0x3fff;

/// The attributes of one message or nest, numbered by `A`.
#[derive(Debug)]
pub(super) struct Fields<'a, A> {
    message: &'static str,
    found: Vec<(u16, &'a [u8])>,
    numbers: PhantomData<A>,
}

impl<'a, A: Into<u16> + Copy + Debug> Fields<'a, A> {
    /// `message` is how errors call what is read here.
    pub(super) fn read(message: &'static str, mut bytes: &'a [u8]) -> Result<Self, Error> {
        let malformed = |fault: String| Error::Malformed {
            message,
            attribute: "attributes".to_owned(),
            fault,
        };
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let [len_low, len_high, number_low, number_high, ..] = *bytes else {
                return Err(malformed(format!("{} stray bytes at the end", bytes.len())));
            };
            let len = usize::from(u16::from_ne_bytes([len_low, len_high]));
            let number = u16::from_ne_bytes([number_low, number_high]) & NUMBER;
            let payload = bytes.get(HEADER..len).ok_or_else(|| {
                malformed(format!(
                    "attribute {number} claims {len} bytes, {} are left",
                    bytes.len()
                ))
            })?;
            found.push((number, payload));
            bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(Fields {
            message,
            found,
            numbers: PhantomData,
        })
    }

    pub(super) fn malformed(&self, attribute: A, fault: impl Into<String>) -> Error {
        Error::Malformed {
            message: self.message,
            attribute: format!("{attribute:?}"),
            fault: fault.into(),
        }
    }

    pub(super) fn find(&self, attribute: A) -> Option<&'a [u8]> {
        let wanted = attribute.into();
        self.found
            .iter()
            .find(|(number, _)| *number == wanted)
            .map(|(_, payload)| *payload)
    }

    pub(super) fn get(&self, attribute: A) -> Result<&'a [u8], Error> {
        self.find(attribute)
            .ok_or_else(|| self.malformed(attribute, "it is missing"))
    }

    /// The first `N` bytes of an attribute that may be absent.
    fn find_bytes<const N: usize>(&self, attribute: A) -> Result<Option<[u8; N]>, Error> {
        let Some(payload) = self.find(attribute) else {
            return Ok(None);
        };
        payload
            .first_chunk()
            .copied()
            .map(Some)
            .ok_or_else(|| self.malformed(attribute, format!("{} bytes where {N} are due", payload.len())))
    }

    fn bytes<const N: usize>(&self, attribute: A) -> Result<[u8; N], Error> {
        self.find_bytes(attribute)?
            .ok_or_else(|| self.malformed(attribute, "it is missing"))
    }

    pub(super) fn find_u8(&self, attribute: A) -> Result<Option<u8>, Error> {
        Ok(self.find_bytes(attribute)?.map(u8::from_ne_bytes))
    }

    pub(super) fn find_u16(&self, attribute: A) -> Result<Option<u16>, Error> {
        Ok(self.find_bytes(attribute)?.map(u16::from_ne_bytes))
    }

    pub(super) fn find_port(&self, attribute: A) -> Result<Option<u16>, Error> {
        Ok(self.find_bytes(attribute)?.map(u16::from_be_bytes))
    }

    pub(super) fn find_u32(&self, attribute: A) -> Result<Option<u32>, Error> {
        Ok(self.find_bytes(attribute)?.map(u32::from_ne_bytes))
    }

    pub(super) fn u16(&self, attribute: A) -> Result<u16, Error> {
        self.bytes(attribute).map(u16::from_ne_bytes)
    }

    pub(super) fn port(&self, attribute: A) -> Result<u16, Error> {
        self.bytes(attribute).map(u16::from_be_bytes)
    }

    pub(super) fn u32(&self, attribute: A) -> Result<u32, Error> {
        self.bytes(attribute).map(u32::from_ne_bytes)
    }

    pub(super) fn u32_be(&self, attribute: A) -> Result<u32, Error> {
        self.bytes(attribute).map(u32::from_be_bytes)
    }

    /// A counter: four or eight bytes wide, as the kernel chose.
    pub(super) fn counter(&self, attribute: A) -> Result<u64, Error> {
        if self.find(attribute).is_some_and(|payload| payload.len() < 8) {
            return self.u32(attribute).map(u64::from);
        }
        self.bytes(attribute).map(u64::from_ne_bytes)
    }

    /// The attribute is 16 bytes for either family; an IPv4 address stands in the first four.
    pub(super) fn address(&self, attribute: A, family: Family) -> Result<IpAddr, Error> {
        Ok(match family {
            Family::V4 => IpAddr::V4(Ipv4Addr::from(self.bytes::<4>(attribute)?)),
            Family::V6 => IpAddr::V6(Ipv6Addr::from(self.bytes::<16>(attribute)?)),
        })
    }

    pub(super) fn find_text(&self, attribute: A) -> Result<Option<String>, Error> {
        let Some(payload) = self.find(attribute) else {
            return Ok(None);
        };
        let text = payload.split(|byte| *byte == 0).next().unwrap_or_default();
        match std::str::from_utf8(text) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => Err(self.malformed(attribute, "it is not text")),
        }
    }

    pub(super) fn text(&self, attribute: A) -> Result<String, Error> {
        self.find_text(attribute)?
            .ok_or_else(|| self.malformed(attribute, "it is missing"))
    }
}
