//! Hears what may mean a server's end before its next check is due: an ICMP error or a reset that it sends, to whomever. IPv4
//! alone. A hint decides nothing, and who is a server is for others to know.
//!
//! However many packets there are, at most [`AT_ONCE`] are read, and then none for [`REST`]: 1,000 packets a second. What is
//! more than that, the kernel drops.

mod packet;

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::sys::socket::{MsgFlags, recv};
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::{info, warn};

use self::packet::{LONGEST, filter, sender};
use super::packets;

const AT_ONCE: usize = 50;
const REST: Duration = Duration::from_millis(50);

/// Tells who sent such packets, as long as anybody wants to know. Returns early where they cannot be heard, which is logged.
pub(super) async fn listen(tell: mpsc::Sender<BTreeSet<IpAddr>>) {
    let packets = match open() {
        Ok(packets) => packets,
        Err(error) => {
            warn!(
                "no hints: a packet socket cannot be opened: {error}; give the daemon CAP_NET_RAW and, in its unit, AF_PACKET in \
                 RestrictAddressFamilies=, or set hints = false in [daemon]; checks are made at their intervals"
            );
            return;
        }
    };
    info!("resets and ICMP errors of servers that are checked make their checks due at once");
    loop {
        match next(&packets).await {
            Ok(senders) if senders.is_empty() => {}
            Ok(senders) => {
                if tell.send(senders).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                warn!(
                    "no hints any more: the packet socket cannot be read: {error}; restart the daemon to have them again; checks \
                     are made at their intervals"
                );
                return;
            }
        }
        sleep(REST).await;
    }
}

/// On all interfaces. It hears what comes in, not what is sent on.
pub(super) fn open() -> io::Result<AsyncFd<OwnedFd>> {
    packets::open(&filter(), &packets::link_address(0, [0; 6]))
}

async fn next(packets: &AsyncFd<OwnedFd>) -> io::Result<BTreeSet<IpAddr>> {
    loop {
        let mut guard = packets.readable().await?;
        let read = guard.try_io(|fd| few(|into| Ok(recv(fd.as_raw_fd(), into, MsgFlags::empty())?)));
        if let Ok(senders) = read {
            return senders;
        }
    }
}

/// Who sent the packets that are there, of which it takes a few.
fn few(mut receive: impl FnMut(&mut [u8]) -> io::Result<usize>) -> io::Result<BTreeSet<IpAddr>> {
    let mut senders = BTreeSet::new();
    let mut bytes = vec![0; LONGEST.into()];
    for taken in 0..AT_ONCE {
        match receive(&mut bytes) {
            Ok(length) => senders.extend(bytes.get(..length).and_then(sender)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && taken > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(senders)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::packet::tests::reset;
    use super::*;

    /// Packets of this many servers, one each: who is heard, and how many packets were taken.
    fn flood(servers: u32) -> (io::Result<BTreeSet<IpAddr>>, u32) {
        let mut taken = 0;
        let heard = few(|into| {
            if taken == servers {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let packet = reset(taken.to_be_bytes());
            into[..packet.len()].copy_from_slice(&packet);
            taken += 1;
            Ok(packet.len())
        });
        (heard, taken)
    }

    #[test]
    fn a_flood_costs_no_more_than_a_few_packets_now_and_then() {
        for (there, read) in [(1, 1), (49, 49), (50, 50), (51, 50), (u32::MAX, 50)] {
            let (heard, taken) = flood(there);
            assert_eq!(taken, read, "{there}");
            assert_eq!(heard.unwrap().len(), usize::try_from(read).unwrap(), "{there}");
        }
        let rests = usize::try_from(Duration::from_secs(1).as_millis() / REST.as_millis()).unwrap();
        assert_eq!(rests * AT_ONCE, 1000);
    }

    #[test]
    fn nothing_there_is_waited_for_and_a_broken_socket_is_said() {
        assert_eq!(flood(0).0.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let mut answers = [Ok(0), Err(io::ErrorKind::NotConnected.into())].into_iter();
        let broken = few(|_| answers.next().unwrap());
        assert_eq!(broken.unwrap_err().kind(), io::ErrorKind::NotConnected);
    }

    /// Where packet sockets are not allowed, that is what is said.
    #[tokio::test]
    async fn a_refused_connection_is_heard() {
        let server = TcpListener::bind("127.0.0.77:0").unwrap().local_addr().unwrap();
        let packets = match open() {
            Ok(packets) => packets,
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{error}");
                return;
            }
        };
        TcpStream::connect(server).unwrap_err();
        while !next(&packets).await.unwrap().contains(&server.ip()) {}
    }

    #[tokio::test]
    async fn whoever_listens_ends_when_nobody_wants_to_know() {
        let (tell, told) = mpsc::channel(1);
        drop(told);
        let refuse = async {
            loop {
                let server = TcpListener::bind("127.0.0.78:0").unwrap().local_addr().unwrap();
                drop(TcpStream::connect(server));
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = listen(tell) => {}
            () = refuse => {}
        }
    }
}
