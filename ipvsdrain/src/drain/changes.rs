//! Part of a policy: what a rule for some services, or a request, says differently. The rest stays as it was.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::policy::{Policy, PolicyError};

/// The fields of a [`Policy`] that are to change, by their names.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Changes(Map<String, Value>);

impl Changes {
    /// Those that make any policy this one.
    pub fn to(policy: &Policy) -> Result<Self, PolicyError> {
        match serde_json::to_value(policy).map_err(malformed)? {
            Value::Object(fields) => Ok(Self(fields)),
            odd => Err(PolicyError::Malformed(odd.to_string())),
        }
    }

    /// Sets one field. `None` leaves it as it is.
    #[must_use]
    pub fn with<T: Serialize>(mut self, field: &str, value: Option<T>) -> Self {
        if let Some(value) = value.and_then(|value| serde_json::to_value(value).ok()) {
            self.0.insert(field.to_owned(), value);
        }
        self
    }

    /// `policy` with these changes, checked.
    ///
    /// # Errors
    /// A field no policy has, a value it cannot have, or a policy that contradicts itself.
    pub fn apply(&self, policy: &Policy) -> Result<Policy, PolicyError> {
        let mut whole = serde_json::to_value(policy).map_err(malformed)?;
        merge(&mut whole, &Value::Object(self.0.clone()));
        let changed: Policy = serde_json::from_value(whole).map_err(malformed)?;
        changed.check()?;
        Ok(changed)
    }
}

/// Field by field, into nested tables too: a rule that names one part of the floor keeps the other.
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (field, value) in from {
                merge(into.entry(field).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

#[allow(clippy::needless_pass_by_value, reason = "used with map_err")]
fn malformed(error: serde_json::Error) -> PolicyError {
    PolicyError::Malformed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::{Floor, Pinned};
    use super::*;

    fn changes(text: &str) -> Changes {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_is_not_named_stays() {
        let strict = Policy {
            udp_quiet_secs: 60,
            floor: Floor {
                servers: 3,
                weight_percent: 70,
            },
            ..Policy::default()
        };
        let changed = changes(r#"{"pinned": "migrate", "floor": {"servers": 2}}"#)
            .apply(&strict)
            .unwrap();
        let expected = Policy {
            pinned: Pinned::Migrate,
            floor: Floor {
                servers: 2,
                weight_percent: 70,
            },
            ..strict
        };
        assert_eq!(changed, expected);
        assert_eq!(Changes::default().apply(&strict), Ok(strict));
        assert_eq!(
            Changes::to(&strict).unwrap().apply(&Policy::default()),
            Ok(strict)
        );
    }

    #[test]
    fn unknown_fields_and_odd_values_are_named() {
        let refused = |text| changes(text).apply(&Policy::default()).unwrap_err().to_string();
        assert!(refused(r#"{"upd_quiet_secs": 5}"#).contains("upd_quiet_secs"));
        assert!(refused(r#"{"pinned": "drop"}"#).contains("drop"));
        assert!(refused(r#"{"floor": {"server": 2}}"#).contains("server"));
        assert!(refused(r#"{"udp_quiet_secs": 0}"#).contains("udp_quiet"));
    }
}
