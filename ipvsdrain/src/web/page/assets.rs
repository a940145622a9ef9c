//! The files of the page, embedded, and the headers that let a browser do with them what they need and nothing else.

use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::IntoResponse;
use axum::routing::get;

use super::super::Shared;

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

/// Path, type, content.
pub(super) const ASSETS: [(&str, &str, &str); 10] = [
    ("/", HTML, include_str!("index.html")),
    ("/style.css", STYLE, include_str!("style.css")),
    ("/parts.css", STYLE, include_str!("parts.css")),
    ("/icon.svg", PICTURE, include_str!("icon.svg")),
    ("/page.js", SCRIPT, include_str!("page.js")),
    ("/dom.js", SCRIPT, include_str!("dom.js")),
    ("/words.js", SCRIPT, include_str!("words.js")),
    ("/drains.js", SCRIPT, include_str!("drains.js")),
    ("/services.js", SCRIPT, include_str!("services.js")),
    ("/plot.js", SCRIPT, include_str!("plot.js")),
];

/// All comes from here, nothing runs that is not one of these files, and nobody may put the page into a frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// With each answer of this page.
pub(super) const GUARDS: [(HeaderName, &str); 4] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

pub(super) fn routes() -> Router<Shared> {
    ASSETS
        .into_iter()
        .fold(Router::new(), |router, (path, kind, text)| {
            router.route(path, get(move || async move { asset(kind, text) }))
        })
}

/// Asked for anew each time: after an upgrade of the daemon no old script reads what a new one says.
fn asset(kind: &'static str, text: &'static str) -> impl IntoResponse {
    (GUARDS, [(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")], text)
}
