//! One DNS question, to learn whether a server answers. RFC 1035, sections 4.1.1 and 4.1.2.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::Duration;

const ID: [u8; 2] = [0x1b, 0xad];

/// Asks for the address of `name` and waits up to `patience`; true if the server answered without an error.
pub fn answered(server: SocketAddrV4, name: &str, patience: Duration) -> std::io::Result<bool> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.set_read_timeout(Some(patience))?;
    socket.send_to(&question(name), server)?;
    let mut reply = [0; 512];
    Ok(socket
        .recv(&mut reply)
        .is_ok_and(|length| is_success(&reply[..length])))
}

/// The bytes of a question for the address of `name`.
pub fn question(name: &str) -> Vec<u8> {
    let mut bytes = ID.to_vec();
    bytes.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).expect("a label has at most 63 bytes"));
        bytes.extend(label.as_bytes());
    }
    // The root, type A, class IN.
    bytes.extend([0, 0, 1, 0, 1]);
    bytes
}

/// A reply to our question, with response code 0 and at least one answer.
pub fn is_success(reply: &[u8]) -> bool {
    matches!(reply, [a, b, flags, code, _, _, high, low, ..]
        if [*a, *b] == ID && flags & 0x80 != 0 && code % 16 == 0 && (*high, *low) != (0, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_laid_out_as_the_rfc_says() {
        assert_eq!(question("a.bc")[12..], [1, b'a', 2, b'b', b'c', 0, 0, 1, 0, 1]);
    }

    #[test]
    fn refusals_and_other_traffic_are_no_answer() {
        let good = [0x1b, 0xad, 0x84, 0, 0, 1, 0, 1, 0, 0, 0, 0];
        let (mut refused, mut foreign, mut empty) = (good, good, good);
        refused[3] = 5;
        foreign[0] = 0;
        empty[7] = 0;
        assert!(is_success(&good));
        assert!(!is_success(&refused) && !is_success(&foreign) && !is_success(&empty));
    }
}
