//! The certificate and the users of `[web]`, for the daemon and for `check-config`: what is wrong is told with its place.

use std::path::Path;

use crate::config::{self, WebSettings};
use crate::web::Guard;

/// Loads what `[web]` names; `file` is where that was read from.
pub(super) fn load(file: Option<&Path>, settings: &WebSettings) -> Result<Guard, String> {
    Guard::load(settings).map_err(|error| {
        let place = file.map(|file| config::place(file, &error.keys()));
        format!("{}{error}", place.unwrap_or_default())
    })
}
