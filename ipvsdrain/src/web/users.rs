//! Basic authentication. A password is hashed on a thread of its own, one at a time: the daemon's loop never waits for it.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use tokio::sync::{Semaphore, watch};

use super::guard::Guard;

/// A prober has no password, and learns no more than whether the daemon works.
const OPEN: &str = "/healthz";
/// Right passwords that are remembered. There is one a user, or a few: bcrypt reads 72 bytes and no more.
const MOST_KNOWN: usize = 256;

/// Names, and the bcrypt hashes of their passwords. At least one.
pub(super) struct Users {
    hashes: BTreeMap<String, String>,
    /// Of this process alone: what is remembered says nothing about a password.
    secret: hmac::Key,
    /// Tags of names with their right passwords, so that a scrape each second does not cost a bcrypt each second.
    known: Mutex<HashSet<Vec<u8>>>,
    turn: Semaphore,
}

/// Answers 401 to whoever does not give a right name and password, where there are users.
pub(super) async fn ask(
    State(guard): State<watch::Receiver<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    // Read at each request: a connection that lives on does not outlive a password that was changed.
    let users = guard.borrow().users.clone();
    let is_let_in = match users {
        Some(users) if request.uri().path() != OPEN => match given(request.headers()) {
            Some((name, password)) => users.admits(&name, password).await,
            None => false,
        },
        _ => true,
    };
    if is_let_in {
        return next.run(request).await;
    }
    let challenge = [(WWW_AUTHENTICATE, "Basic realm=\"ipvsdrain\", charset=\"UTF-8\"")];
    let said = "a name and a password are needed: those of [web.users] in the configuration\n";
    (StatusCode::UNAUTHORIZED, challenge, said).into_response()
}

fn given(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, encoded) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let decoded = STANDARD.decode(encoded.trim()).ok()?;
    let (name, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    (scheme.eq_ignore_ascii_case("basic")).then(|| (name.to_owned(), password.to_owned()))
}

impl Users {
    pub(super) fn new(hashes: BTreeMap<String, String>) -> Self {
        Self {
            hashes,
            secret: hmac::Key::new(hmac::HMAC_SHA256, &rand::random::<[u8; 32]>()),
            known: Mutex::default(),
            turn: Semaphore::new(1),
        }
    }

    async fn admits(&self, name: &str, password: String) -> bool {
        // A name has no colon in it, so no two pairs are one text.
        let tag = hmac::sign(&self.secret, format!("{name}:{password}").as_bytes());
        let tag = tag.as_ref().to_vec();
        if self.known().contains(&tag) {
            return true;
        }
        let _turn = self.turn.acquire().await;
        // While it waited its turn, the same password may have been found right.
        if self.known().contains(&tag) {
            return true;
        }
        // A name that nobody has takes as long as one that somebody has.
        let hash = self.hashes.get(name);
        let is_user = hash.is_some();
        let Some(hash) = hash.or_else(|| self.hashes.values().next()).cloned() else {
            return false;
        };
        let compared = tokio::task::spawn_blocking(move || bcrypt::verify(password, &hash));
        let is_right = matches!(compared.await, Ok(Ok(true)));
        if is_user && is_right {
            let mut known = self.known();
            if known.len() >= MOST_KNOWN {
                known.clear();
            }
            known.insert(tag);
        }
        is_user && is_right
    }

    fn known(&self) -> MutexGuard<'_, HashSet<Vec<u8>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.known().len()
    }
}
