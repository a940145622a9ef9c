//! Seconds since 1970 as people and scripts write them. Reads no clock and knows no time zone but UTC. Only here: jiff.

use jiff::Timestamp;

/// `2026-11-25T18:17:54Z`. A second that no calendar has is told as it is.
pub fn rfc3339(unix: u64) -> String {
    let stamp = i64::try_from(unix)
        .ok()
        .and_then(|secs| Timestamp::from_second(secs).ok());
    stamp.map_or_else(|| format!("@{unix}"), |stamp| stamp.to_string())
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn seconds_are_told_in_utc() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_709_164_799), "2024-02-28T23:59:59Z");
        assert_eq!(rfc3339(1_709_164_800), "2024-02-29T00:00:00Z");
        assert_eq!(rfc3339(u64::MAX), "@18446744073709551615");
    }
}
