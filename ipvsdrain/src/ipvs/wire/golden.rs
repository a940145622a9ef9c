//! The bytes of real kernels, read again. `cargo xtask lab run netlink-round-trip --options '{"record":true}'` on a
//! kernel gives such a file; there the same table was compared with what ipvsadm had been told.

use serde::Deserialize;

use super::{Answer, Collector, destination, service};
use crate::ipvs::model::{Destination, Service};

const KERNELS: [&str; 4] = [
    include_str!("../golden/linux-5.10.json"),
    include_str!("../golden/linux-6.1.json"),
    include_str!("../golden/linux-6.12.json"),
    include_str!("../golden/linux-7.json"),
];

#[derive(Deserialize)]
struct Recorded {
    kernel: String,
    /// The datagrams of a dump of all services, as hex.
    services: Vec<String>,
    table: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    service: Service,
    destinations: Vec<Destination>,
    /// The datagrams of a dump of its destinations, as hex.
    datagrams: Vec<String>,
}

fn recordings() -> Vec<Recorded> {
    KERNELS
        .iter()
        .map(|text| serde_json::from_str(text).unwrap())
        .collect()
}

/// The first whole answer among the datagrams; they carry the family, sequence number and port to wait for.
fn answer(datagrams: &[String]) -> Answer {
    let datagrams: Vec<Vec<u8>> = datagrams
        .iter()
        .map(|hex| {
            (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
                .collect()
        })
        .collect();
    let word = |at: usize| u32::from_le_bytes(datagrams[0][at..at + 4].try_into().unwrap());
    let family = u16::from_le_bytes(datagrams[0][4..6].try_into().unwrap());
    let mut collector = Collector::new(family, word(8), word(12), true);
    datagrams
        .iter()
        .find_map(|datagram| collector.take(datagram).unwrap())
        .expect("the recording holds an answer to its end")
}

#[test]
fn the_services_of_every_kernel_read_as_ipvsadm_made_them() {
    for recorded in recordings() {
        let mut read: Vec<Service> = answer(&recorded.services)
            .messages
            .iter()
            .map(|(_, attributes)| service(attributes).unwrap())
            .collect();
        read.sort_by_key(|service| service.identity.to_string());
        let wanted: Vec<Service> = recorded.table.iter().map(|row| row.service.clone()).collect();
        assert_eq!(read, wanted, "{}", recorded.kernel);
    }
}

#[test]
fn the_destinations_of_every_kernel_read_as_ipvsadm_made_them() {
    for recorded in recordings() {
        for row in recorded.table {
            let family = row.service.identity.family();
            let read: Vec<Destination> = answer(&row.datagrams)
                .messages
                .iter()
                .map(|(_, attributes)| destination(family, attributes).unwrap())
                .collect();
            assert_eq!(
                read, row.destinations,
                "{} on {}",
                row.service.identity, recorded.kernel
            );
        }
    }
}

#[test]
fn all_kernels_were_asked_the_same() {
    let recordings = recordings();
    let tables: Vec<_> = recordings
        .iter()
        .map(|recorded| {
            recorded
                .table
                .iter()
                .map(|row| (&row.service, &row.destinations))
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(tables[0].len(), 8);
    assert!(tables.iter().all(|table| *table == tables[0]));
}
