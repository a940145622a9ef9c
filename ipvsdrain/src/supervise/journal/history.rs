//! What can be asked of the drains of the past, and the query that finds them.

use rusqlite::types::Value;

use crate::identity::{RealServer, VirtualService};

/// Which drains; those that match all that is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filter {
    pub service: Option<VirtualService>,
    pub server: Option<RealServer>,
    /// Begun at this second or later, since 1970.
    pub from: Option<u64>,
    /// Begun before this second.
    pub until: Option<u64>,
    /// This many, the newest ones.
    pub limit: u32,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            service: None,
            server: None,
            from: None,
            until: None,
            limit: 100,
        }
    }
}

impl Filter {
    /// The query for `id, record`, and its values in order.
    pub(super) fn query(&self) -> (String, Vec<Value>) {
        let secs = |secs: u64| Value::Integer(i64::try_from(secs).unwrap_or(i64::MAX));
        let conditions = [
            self.service
                .map(|service| ("service = ?", service.to_string().into())),
            self.server
                .map(|server| ("server = ?", server.to_string().into())),
            self.from.map(|from| ("began >= ?", secs(from))),
            self.until.map(|until| ("began < ?", secs(until))),
        ];
        let (conditions, mut values): (Vec<&str>, Vec<Value>) = conditions.into_iter().flatten().unzip();
        values.push(Value::Integer(self.limit.into()));
        let which = if conditions.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", conditions.join(" AND "))
        };
        (
            format!("SELECT id, record FROM drains{which} ORDER BY began DESC, id DESC LIMIT ?"),
            values,
        )
    }
}
