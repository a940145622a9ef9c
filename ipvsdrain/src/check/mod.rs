//! Scratch.
pub(crate) mod path;
