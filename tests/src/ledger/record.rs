//! The bytes of one record: 24 of them, the same in a datagram and in a TCP stream.
//!
//! ```text
//!  0        8      12      16        24
//!  | magic  | flow | zero  | sequence |     all big endian
//! ```

use super::Flow;

const MAGIC: [u8; 8] = *b"ipvs-led";

/// Length of a record in bytes.
pub const RECORD_LEN: usize = 24;

/// One datagram, or one record of a TCP stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    pub flow: Flow,
    /// Counts from 0 within the flow.
    pub sequence: u64,
}

impl Record {
    pub fn to_bytes(self) -> [u8; RECORD_LEN] {
        let mut bytes = [0; RECORD_LEN];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&self.flow.0.to_be_bytes());
        bytes[16..].copy_from_slice(&self.sequence.to_be_bytes());
        bytes
    }

    /// None if these bytes are no record.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; RECORD_LEN] = bytes.try_into().ok()?;
        if bytes[..8] != MAGIC {
            return None;
        }
        let flow = u32::from_be_bytes(bytes[8..12].try_into().ok()?);
        let sequence = u64::from_be_bytes(bytes[16..].try_into().ok()?);
        Some(Self {
            flow: Flow(flow),
            sequence,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_as_itself_and_nothing_else_reads_as_one() {
        let record = Record {
            flow: Flow(0x0102_0304),
            sequence: u64::MAX - 1,
        };
        assert_eq!(Record::from_bytes(&record.to_bytes()), Some(record));
        assert_eq!(Record::from_bytes(&record.to_bytes()[..23]), None);
        assert_eq!(Record::from_bytes(&[0; RECORD_LEN]), None);
    }
}
