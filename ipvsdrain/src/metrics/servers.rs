//! Every real server in the table, as the kernel tells of it.

use prometheus::proto::MetricFamily;

use super::Sight;
use super::family::Family;
use super::labels::Labels;

pub(super) fn families(sight: &Sight<'_>) -> Vec<MetricFamily> {
    let mut weight = Family::gauge(
        "ipvsdrain_server_weight",
        "The weight of the real server in the kernel's table.",
    );
    let mut connections = Family::gauge(
        "ipvsdrain_server_connections",
        "Entries of the real server in the kernel's table, by kind: active, inactive or persistent.",
    );
    for service in sight.listing.into_iter().flatten() {
        let of_service = Labels::local(&service.service);
        for server in &service.servers {
            let labels = of_service.clone().with_server(&server.server);
            weight.add(&labels, f64::from(server.configuration.weight));
            let kinds = [
                ("active", server.active),
                ("inactive", server.inactive),
                ("persistent", server.persistent),
            ];
            let mut labels = labels.with("kind", "");
            for (kind, entries) in kinds {
                labels.replace_last(kind);
                connections.add(&labels, f64::from(entries));
            }
        }
    }
    [weight, connections]
        .into_iter()
        .filter_map(Family::finish)
        .collect()
}
