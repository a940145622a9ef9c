//! Data flows one way: each room names only the rooms and libraries it may.

#![allow(clippy::unwrap_used, reason = "a test may stop at once")]

use std::fs;
use std::path::{Path, PathBuf};

const ROOMS: [&str; 11] = [
    "api",
    "check",
    "cli",
    "doctor",
    "drain",
    "health",
    "ipvs",
    "metrics",
    "observe",
    "supervise",
    "web",
];

/// Room, the rooms it may name, the guarded libraries it may name.
const MAY_NAME: [(&str, &[&str], &[&str]); 11] = [
    ("ipvs", &[], &["neli", "tokio"]),
    ("observe", &[], &["aya", "aya_log", "aya_obj", "btf_rs", "tokio"]),
    ("health", &[], &[]),
    ("drain", &["health"], &[]),
    (
        "supervise",
        &["drain", "health", "ipvs", "observe"],
        &["rusqlite", "tokio"],
    ),
    (
        "api",
        &["drain", "health", "supervise"],
        &["axum", "hyper", "hyper_util", "http_body_util", "tokio"],
    ),
    (
        "check",
        &["drain", "health", "supervise"],
        &[
            "hickory_proto",
            "http_body_util",
            "hyper",
            "hyper_util",
            "rustls_native_certs",
            "tokio",
            "tokio_rustls",
        ],
    ),
    ("metrics", &["drain", "health", "supervise"], &["prometheus"]),
    (
        "web",
        &["api", "config", "drain", "metrics", "supervise"],
        &[
            "axum",
            "bcrypt",
            "flate2",
            "hyper",
            "hyper_util",
            "tokio",
            "tokio_rustls",
        ],
    ),
    ("doctor", &["api", "drain", "ipvs", "observe", "supervise"], &[]),
    (
        "cli",
        &["api", "check", "doctor", "drain", "health", "supervise", "web"],
        &["clap", "indicatif", "comfy_table", "ratatui", "tokio"],
    ),
];

const GUARDED: [&str; 22] = [
    "bcrypt",
    "flate2",
    "hickory_proto",
    "tokio_rustls",
    "rustls_native_certs",
    "neli",
    "aya",
    "aya_log",
    "aya_obj",
    "btf_rs",
    "rusqlite",
    "axum",
    "hyper",
    "hyper_util",
    "http_body_util",
    "clap",
    "indicatif",
    "comfy_table",
    "ratatui",
    "tokio",
    "jiff",
    "prometheus",
];

#[test]
fn every_room_names_only_what_it_may() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for (room, rooms, libraries) in MAY_NAME {
        let files = sources(&src.join(room));
        assert!(
            !files.is_empty(),
            "{room} is empty: the guard would hold for nothing"
        );
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            // Tests may bring in whatever shows that the room is right.
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            for (number, line) in code
                .lines()
                .enumerate()
                .filter(|(_, line)| !line.trim().starts_with("//"))
            {
                let names = |prefix: &str, name: &&&str| line.contains(&format!("{prefix}{name}"));
                let room_ahead = ROOMS
                    .iter()
                    .filter(|other| **other != room && !rooms.contains(other))
                    .find(|other| names("crate::", other));
                let guarded = GUARDED
                    .iter()
                    .filter(|library| !libraries.contains(library))
                    .find(|library| {
                        let used = format!("{library}::");
                        line.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':')
                            .any(|word| word.starts_with(&used))
                    });
                if let Some(name) = room_ahead.or(guarded) {
                    let place = file.strip_prefix(&src).unwrap().display();
                    wrong.push(format!("{place}:{} names {name}: {}", number + 1, line.trim()));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "these lines point the wrong way:\n{}",
        wrong.join("\n")
    );
}

/// The Rust files below a folder, but for those that hold tests alone.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") && !name.ends_with("tests.rs") {
            found.push(path);
        }
    }
    found
}
