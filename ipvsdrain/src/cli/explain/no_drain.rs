//! A server that no drain is known of, in a sentence that names the next command. Pure.

use crate::api::{ServerName, Status};

/// A server without a drain; an error if there is no such server.
pub(super) fn sentence(status: &Status, name: &ServerName) -> Result<String, String> {
    let ServerName { service, server } = name;
    let listed = status.services.iter().find(|listed| listed.service == *service);
    let listed = listed.ok_or_else(|| {
        format!("virtual service {service} does not exist: `ipvsdrain status` lists those that do")
    })?;
    let found = listed.servers.iter().find(|listed| listed.server == *server);
    let found = found.ok_or_else(|| {
        format!("real server {server} is not behind {service}: `ipvsdrain status` lists those that are")
    })?;
    Ok(match found.configuration.weight {
        0 => format!(
            "Foreign: {server} has weight 0 in {service}, set by another hand, and ipvsdrain leaves it alone. \
             `ipvsdrain drain {service} {server}` watches it and removes it once it is empty; `ipvsadm -e` gives it a \
             weight."
        ),
        weight => format!(
            "Pooled: {server} takes new flows in {service}, with weight {weight}, and no drain of it is known. \
             `ipvsdrain drain {service} {server}` begins one."
        ),
    })
}
