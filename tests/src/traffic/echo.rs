//! Records out of a TCP stream: whole ones, whatever pieces they arrive in.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;

use crate::ledger::{RECORD_LEN, Record};

/// The reading end of a stream of records.
#[derive(Debug, Default)]
pub(super) struct Records {
    pending: Vec<u8>,
}

/// What one look at a stream brought.
#[derive(Debug, Default)]
pub(super) struct Arrived {
    pub(super) records: Vec<Record>,
    /// The other side closed or reset the connection.
    pub(super) ended: bool,
}

impl Records {
    /// Reads all that a non-blocking stream has by now.
    pub(super) fn read(&mut self, mut stream: &TcpStream) -> std::io::Result<Arrived> {
        let mut arrived = Arrived::default();
        let mut bytes = [0; 64 * RECORD_LEN];
        loop {
            match stream.read(&mut bytes) {
                Ok(0) => arrived.ended = true,
                Ok(count) => {
                    self.pending.extend_from_slice(&bytes[..count]);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            break;
        }
        let whole = self.pending.len() / RECORD_LEN * RECORD_LEN;
        for chunk in self.pending.drain(..whole).as_slice().chunks(RECORD_LEN) {
            arrived.records.extend(Record::from_bytes(chunk));
        }
        Ok(arrived)
    }
}
