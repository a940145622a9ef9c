//! A page made small for its way, for whoever takes gzip: labels repeat, so it becomes a thirtieth of itself.

use std::io::Write as _;

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_ENCODING;
use flate2::Compression;
use flate2::write::GzEncoder;

/// A smaller one fits into a packet or two as it is.
const WORTH_IT: usize = 4 * 1024;

/// Whether the client takes gzip; with `q=0` it says that it does not.
pub(super) fn is_taken(headers: &HeaderMap) -> bool {
    let named = headers.get_all(ACCEPT_ENCODING).into_iter();
    named
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
            let weight = weight
                .trim()
                .strip_prefix("q=")
                .and_then(|weight| weight.parse().ok());
            name.trim().eq_ignore_ascii_case("gzip") && weight.unwrap_or(1.0_f32) > 0.0
        })
}

/// `None` where it would not pay.
pub(super) fn gzip(text: &str) -> Option<Vec<u8>> {
    if text.len() < WORTH_IT {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).ok()?;
    encoder.finish().ok()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn gzip_is_for_those_who_take_it() {
        let taken = |values: &[&str]| {
            let pair = |value: &&str| (ACCEPT_ENCODING, value.parse().unwrap());
            is_taken(&values.iter().map(pair).collect())
        };
        assert!(taken(&["gzip"]));
        assert!(taken(&["deflate, gzip;q=1.0, *;q=0.5"]));
        assert!(taken(&["br", "GZIP"]));
        assert!(!taken(&[]));
        assert!(!taken(&["identity"]));
        assert!(!taken(&["gzip;q=0"]));
        assert!(!taken(&["gzip; q=0.0, br"]));
    }

    #[test]
    fn a_long_page_becomes_short_and_is_the_same_again() {
        let page = "ipvsdrain_server_weight{local_address=\"10.0.0.1\"} 1\n".repeat(1_000);
        let packed = gzip(&page).unwrap();
        assert!(packed.len() < page.len() / 20, "{}", packed.len());
        let mut again = String::new();
        GzDecoder::new(packed.as_slice())
            .read_to_string(&mut again)
            .unwrap();
        assert_eq!(again, page);
        assert_eq!(gzip(&page[..WORTH_IT - 1]), None);
    }
}
