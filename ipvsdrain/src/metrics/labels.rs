//! Labels: those of a real server are the ones that node_exporter's IPVS collector gives it, so that both join.

use crate::identity::{Family, RealServer, VirtualService};

/// The protocol of services by mark.
const BY_MARK: &str = "FWM";

/// Labels of one sample, in the order they were given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Labels(Vec<(&'static str, String)>);

impl Labels {
    pub(super) fn none() -> Self {
        Self::default()
    }

    /// Those of its servers that are about the service, and `address_family`: a mark may name two services, one each for
    /// IPv4 and IPv6.
    pub(super) fn service(service: &VirtualService) -> Self {
        let word = match service.family() {
            Family::V4 => "ipv4",
            Family::V6 => "ipv6",
        };
        Self::local(service).with("address_family", word)
    }

    /// `local_address`, `local_port`, `proto`, `local_mark`: of a service by its address the mark is empty, of one by
    /// its mark the address is, and its port 0.
    pub(super) fn local(service: &VirtualService) -> Self {
        let (address, port, proto, mark) = match service {
            VirtualService::Address { protocol, addr } => (
                addr.ip().to_string(),
                addr.port(),
                protocol.to_string().to_uppercase(),
                String::new(),
            ),
            VirtualService::Fwmark { mark, .. } => {
                (String::new(), 0, BY_MARK.to_owned(), format!("{mark:08X}"))
            }
        };
        Self(vec![
            ("local_address", address),
            ("local_port", port.to_string()),
            ("proto", proto),
            ("local_mark", mark),
        ])
    }

    /// What node_exporter gives it, and no more: `remote_address`, `remote_port`, and those of its service.
    pub(super) fn server(service: &VirtualService, server: &RealServer) -> Self {
        Self::local(service).with_server(server)
    }

    /// A server of the service whose local labels these are: those are put together once, where there are many servers.
    #[must_use]
    pub(super) fn with_server(self, server: &RealServer) -> Self {
        self.with("remote_address", &server.0.ip())
            .with("remote_port", &server.0.port())
    }

    /// Another value for the label that was given last.
    pub(super) fn replace_last(&mut self, value: &str) {
        if let Some((_, last)) = self.0.last_mut() {
            last.clear();
            last.push_str(value);
        }
    }

    #[must_use]
    pub(super) fn with(mut self, name: &'static str, value: &(impl ToString + ?Sized)) -> Self {
        self.0.push((name, value.to_string()));
        self
    }

    /// A server of another family than its services' may be in two services with the same mark: to node_exporter they are
    /// one, too.
    pub(super) fn may_be_shared(&self) -> bool {
        self.pairs()
            .any(|(name, value)| name == "proto" && value == BY_MARK)
    }

    pub(super) fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(service: &str) -> String {
        let server = "10.1.0.5:53".parse().unwrap();
        let labels = Labels::server(&service.parse().unwrap(), &server);
        let pairs = labels.pairs().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_server_is_labelled_as_node_exporter_does_it() {
        assert_eq!(
            told("udp:10.0.0.1:53"),
            "local_address=10.0.0.1 local_port=53 proto=UDP local_mark= remote_address=10.1.0.5 remote_port=53"
        );
        assert_eq!(
            told("tcp:[2001:db8::1]:443"),
            "local_address=2001:db8::1 local_port=443 proto=TCP local_mark= remote_address=10.1.0.5 remote_port=53"
        );
        assert_eq!(
            told("fwmark:43690"),
            "local_address= local_port=0 proto=FWM local_mark=0000AAAA remote_address=10.1.0.5 remote_port=53"
        );
    }
    #[test]
    fn two_services_with_one_mark_are_told_apart() {
        let family = |service: &str| {
            let labels = Labels::service(&service.parse().unwrap());
            labels.pairs().last().map(|(_, value)| value.to_owned())
        };
        assert_eq!(family("fwmark:7").as_deref(), Some("ipv4"));
        assert_eq!(family("fwmark6:7").as_deref(), Some("ipv6"));
        assert_eq!(family("tcp:[2001:db8::1]:443").as_deref(), Some("ipv6"));
    }
}
