//! What users rely on, one file per part of it.

pub mod netlink;
