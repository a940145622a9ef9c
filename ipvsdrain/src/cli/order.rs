//! What the command line says of a drain besides the server: its policy, and who wants it and why.

use clap::Args;

use super::policy::PolicyArgs;
use crate::api::{DrainRequest, ServerName};

#[derive(Debug, Args)]
pub(super) struct OrderArgs {
    #[command(flatten)]
    policy: PolicyArgs,
    /// Why, for the record.
    #[arg(
        long,
        alias = "why",
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    reason: String,
    /// The number of the change or the incident, for the record.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    ticket: String,
    /// In spite of the capacity floor. Needs a --reason. With --server ADDR also without the services that refuse.
    #[arg(long, requires = "reason")]
    pub(super) force: bool,
}

impl OrderArgs {
    pub(super) fn request(&self, name: ServerName) -> DrainRequest {
        DrainRequest {
            service: name.service,
            server: name.server,
            policy: self.policy.changes(),
            who: std::env::var("SUDO_USER")
                .or_else(|_| std::env::var("USER"))
                .unwrap_or_default(),
            why: self.reason.clone(),
            ticket: self.ticket.clone(),
            force: self.force,
        }
    }
}
