//! Labels: those of a real server are the ones that node_exporter's IPVS collector gives it, so that both join.

use crate::identity::{RealServer, VirtualService};

/// Labels of one sample, in the order they were given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Labels(Vec<(&'static str, String)>);

impl Labels {
    pub(super) fn none() -> Self {
        Self::default()
    }

    /// `local_address`, `local_port`, `proto`, `local_mark`: of a service by its address the mark is empty, of one by
    /// its mark the address is, and its port 0.
    pub(super) fn service(service: &VirtualService) -> Self {
        let (address, port, proto, mark) = match service {
            VirtualService::Address { protocol, addr } => (
                addr.ip().to_string(),
                addr.port(),
                protocol.to_string().to_uppercase(),
                String::new(),
            ),
            VirtualService::Fwmark { mark, .. } => {
                (String::new(), 0, "FWM".to_owned(), format!("{mark:08X}"))
            }
        };
        Self(vec![
            ("local_address", address),
            ("local_port", port.to_string()),
            ("proto", proto),
            ("local_mark", mark),
        ])
    }

    /// The same, and `remote_address`, `remote_port`.
    pub(super) fn server(service: &VirtualService, server: &RealServer) -> Self {
        Self::service(service)
            .with("remote_address", server.0.ip())
            .with("remote_port", server.0.port())
    }

    #[must_use]
    pub(super) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.0.push((name, value.to_string()));
        self
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
}
