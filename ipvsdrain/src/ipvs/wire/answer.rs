//! All the kernel says to one request, gathered datagram by datagram. No socket: it is fed bytes.
//!
//! Owns the questions "is this meant for my request" and "was that all".

use nix::errno::Errno;

use super::frame::{Content, frames};
use crate::ipvs::error::Error;
use crate::ipvs::stable::Coherence;

/// A list whose messages take at most this many bytes was written by the kernel in one go. Its buffer holds a page
/// (4096) less about 320 bytes of its own, and no IPVS message exceeds 500: below this mark the kernel stopped because
/// the list ended, not because the buffer was full.
const ONE_GO: usize = 2816;

/// A complete answer.
#[derive(Debug)]
pub(in crate::ipvs) struct Answer {
    /// Command and attributes of each message.
    pub(in crate::ipvs) messages: Vec<(u8, Vec<u8>)>,
    /// Only meaningful for dumps.
    pub(in crate::ipvs) coherence: Coherence,
}

/// Why there is no answer.
#[derive(Debug)]
pub(in crate::ipvs) enum Failure {
    /// The kernel refused the request.
    Refused(Errno),
    /// There is no IPVS in this kernel, or not yet.
    NotLoaded,
    /// A part of the answer was lost. What was read may be asked again; whether a change took effect is open.
    Overrun,
    Malformed(Error),
    Socket(std::io::Error),
}

/// Gathers the answer to one request.
#[derive(Debug)]
pub(in crate::ipvs) struct Collector {
    family: u16,
    sequence: u32,
    port: u32,
    dump: bool,
    interrupted: bool,
    datagrams: u32,
    bytes: usize,
    messages: Vec<(u8, Vec<u8>)>,
}

impl Collector {
    /// Waits for the messages of `family` that answer `sequence`, sent to `port`: up to the end of the list for a
    /// dump, else up to the acknowledgement.
    pub(in crate::ipvs) fn new(family: u16, sequence: u32, port: u32, dump: bool) -> Self {
        Collector {
            family,
            sequence,
            port,
            dump,
            interrupted: false,
            datagrams: 0,
            bytes: 0,
            messages: Vec::new(),
        }
    }

    /// Takes one datagram. The answer is there once its last message was seen.
    pub(in crate::ipvs) fn take(&mut self, datagram: &[u8]) -> Result<Option<Answer>, Failure> {
        let before = self.messages.len();
        let mut ended = false;
        for frame in frames(datagram).map_err(Failure::Malformed)? {
            if matches!(frame.content, Content::Overrun) {
                return Err(Failure::Overrun);
            }
            // The rest of an answer that nobody waited for.
            if frame.sequence != self.sequence || frame.port != self.port {
                continue;
            }
            self.interrupted |= frame.interrupted;
            match frame.content {
                Content::Message {
                    family,
                    command,
                    attributes,
                } if family == self.family => {
                    self.bytes += attributes.len();
                    self.messages.push((command, attributes.to_vec()));
                }
                Content::Message { .. } | Content::Overrun | Content::Nothing => {}
                Content::Acknowledgement(Err(errno)) | Content::Done(Err(errno)) => {
                    return Err(Failure::Refused(errno));
                }
                Content::Acknowledgement(Ok(())) => ended |= !self.dump,
                Content::Done(Ok(())) => ended |= self.dump,
            }
        }
        if self.messages.len() > before {
            self.datagrams += 1;
        }
        Ok(ended.then(|| Answer {
            messages: std::mem::take(&mut self.messages),
            coherence: self.coherence(),
        }))
    }

    fn coherence(&self) -> Coherence {
        if self.interrupted {
            Coherence::Broken
        } else if self.datagrams <= 1 && self.bytes <= ONE_GO {
            Coherence::Whole
        } else {
            Coherence::Chunks
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAMILY: u16 = 0x1b;
    const PORT: u32 = 4242;
    const MULTI: u16 = 2;
    const INTERRUPTED: u16 = 0x10;

    fn message(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
        let len = u32::try_from(16 + body.len()).unwrap();
        let mut bytes = len.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend(PORT.to_ne_bytes());
        bytes.extend(body);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn part(sequence: u32, size: usize) -> Vec<u8> {
        let mut body = vec![5, 1, 0, 0];
        body.resize(4 + size, 0xab);
        message(FAMILY, MULTI, sequence, &body)
    }

    fn done(sequence: u32, status: i32) -> Vec<u8> {
        message(3, MULTI, sequence, &status.to_ne_bytes())
    }

    fn word(sequence: u32, code: i32) -> Vec<u8> {
        message(2, 0, sequence, &[&code.to_ne_bytes()[..], &[0; 16]].concat())
    }

    fn dump() -> Collector {
        Collector::new(FAMILY, 7, PORT, true)
    }

    fn single() -> Collector {
        Collector::new(FAMILY, 7, PORT, false)
    }

    #[test]
    fn a_request_ends_with_its_acknowledgement() {
        let mut collector = single();
        assert!(collector.take(&part(7, 8)).unwrap().is_none());
        let answer = collector.take(&word(7, 0)).unwrap().unwrap();
        assert_eq!(answer.messages, [(5, vec![0xab; 8])]);
    }

    #[test]
    fn a_refusal_is_told_with_its_errno() {
        for errno in [Errno::EPERM, Errno::ESRCH, Errno::ENOENT, Errno::EEXIST] {
            let failure = single().take(&word(7, -(errno as i32))).unwrap_err();
            assert!(
                matches!(failure, Failure::Refused(told) if told == errno),
                "{failure:?}"
            );
        }
    }

    #[test]
    fn what_answers_another_request_or_socket_is_passed_over() {
        let mut collector = single();
        assert!(collector.take(&word(6, -3)).unwrap().is_none());
        assert!(collector.take(&part(6, 8)).unwrap().is_none());
        let mut foreign = word(7, -3);
        foreign[12..16].copy_from_slice(&99_u32.to_ne_bytes());
        assert!(collector.take(&foreign).unwrap().is_none());
        assert!(collector.take(&word(7, 0)).unwrap().unwrap().messages.is_empty());
    }

    #[test]
    fn a_dump_ends_with_done_and_not_before() {
        let mut collector = dump();
        assert!(collector.take(&part(7, 100)).unwrap().is_none());
        let answer = collector.take(&done(7, 0)).unwrap().unwrap();
        assert_eq!((answer.messages.len(), answer.coherence), (1, Coherence::Whole));
    }

    #[test]
    fn an_empty_dump_is_whole() {
        let answer = dump().take(&done(7, 0)).unwrap().unwrap();
        assert_eq!((answer.messages.len(), answer.coherence), (0, Coherence::Whole));
    }

    #[test]
    fn newer_kernels_put_done_behind_the_last_message() {
        let both = [part(7, 100), part(7, 100), done(7, 0)].concat();
        let answer = dump().take(&both).unwrap().unwrap();
        assert_eq!((answer.messages.len(), answer.coherence), (2, Coherence::Whole));
    }

    #[test]
    fn a_dump_that_fails_half_way_is_a_failure() {
        let mut collector = dump();
        assert!(collector.take(&part(7, 100)).unwrap().is_none());
        let failure = collector.take(&done(7, -90)).unwrap_err();
        assert!(
            matches!(failure, Failure::Refused(Errno::EMSGSIZE)),
            "{failure:?}"
        );
    }

    #[test]
    fn several_datagrams_of_messages_are_chunks() {
        let mut collector = dump();
        assert!(collector.take(&part(7, 100)).unwrap().is_none());
        assert!(collector.take(&part(7, 100)).unwrap().is_none());
        assert_eq!(
            collector.take(&done(7, 0)).unwrap().unwrap().coherence,
            Coherence::Chunks
        );
    }

    #[test]
    fn a_datagram_that_may_have_been_full_is_a_chunk_too() {
        for (size, coherence) in [(ONE_GO, Coherence::Whole), (ONE_GO + 4, Coherence::Chunks)] {
            let mut collector = dump();
            assert!(collector.take(&part(7, size)).unwrap().is_none());
            assert_eq!(
                collector.take(&done(7, 0)).unwrap().unwrap().coherence,
                coherence,
                "{size} bytes"
            );
        }
    }

    #[test]
    fn an_interrupted_dump_is_broken() {
        let mut collector = dump();
        assert!(collector.take(&part(7, 100)).unwrap().is_none());
        let end = message(3, MULTI | INTERRUPTED, 7, &[0; 4]);
        assert_eq!(
            collector.take(&end).unwrap().unwrap().coherence,
            Coherence::Broken
        );
    }

    #[test]
    fn an_overrun_is_no_answer() {
        assert!(matches!(
            dump().take(&message(4, 0, 0, &[])).unwrap_err(),
            Failure::Overrun
        ));
    }

    #[test]
    fn a_cut_datagram_is_malformed() {
        let whole = part(7, 100);
        for len in [1, 15, 16, 50, whole.len() - 1] {
            let failure = dump().take(&whole[..len]).unwrap_err();
            assert!(
                matches!(failure, Failure::Malformed(Error::Malformed { .. })),
                "{len}: {failure:?}"
            );
        }
        // Lengths that lie: shorter than the header itself, and far beyond the end.
        for claimed in [0_u32, 15, u32::MAX] {
            let mut lying = whole.clone();
            lying[..4].copy_from_slice(&claimed.to_ne_bytes());
            assert!(
                matches!(dump().take(&lying).unwrap_err(), Failure::Malformed(_)),
                "{claimed}"
            );
        }
    }
}
