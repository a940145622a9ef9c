//! A page is asked for, with HTTP/1.1, over TLS or not.

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::bad::{Bad, of_a_library};
use super::door::Door;
use super::tls;
use crate::check::kind::Get;

/// More of an answer is not read.
const LONGEST_BODY: usize = 64 << 10;

pub(super) async fn get(get: &Get, to: &Door) -> Result<(), Bad> {
    match &get.secure {
        None => converse(get, to, to.connect().await?).await,
        Some(secure) => converse(get, to, tls::connect(secure, to).await?).await,
    }
}

async fn converse<S>(get: &Get, to: &Door, stream: S) -> Result<(), Bad>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|e| broken(&e))?;
    let talk = async {
        let answer = sender.send_request(request(get, to)?).await;
        judge(get, answer.map_err(|error| broken(&error))?).await
    };
    // What ends the connection is told to whoever waits for the answer.
    let keep_going = async {
        drop(connection.await);
        std::future::pending().await
    };
    tokio::select! {
        result = talk => result,
        result = keep_going => result,
    }
}

fn request(get: &Get, to: &Door) -> Result<Request<Empty<Bytes>>, Bad> {
    let request = Request::get(get.path.clone())
        .header(USER_AGENT, "ipvsdrain")
        .header(CONNECTION, "close");
    let request = match &get.host {
        Some(host) => request.header(HOST, host),
        None => request.header(HOST, to.address().to_string()),
    };
    let made = request.body(Empty::new());
    made.map_err(|error| Bad::Checker(format!("the request cannot be written: {error}")))
}

async fn judge(get: &Get, answer: Response<Incoming>) -> Result<(), Bad> {
    let status = answer.status().as_u16();
    if !get.status.contains(&status) {
        let expected: Vec<String> = get.status.iter().map(u16::to_string).collect();
        return Err(Bad::Server(format!(
            "status {status}, expected {}",
            expected.join(" or ")
        )));
    }
    let Some(expected) = &get.body else {
        return Ok(());
    };
    let mut body = answer.into_body();
    let mut read = Vec::new();
    while read.len() < LONGEST_BODY
        && let Some(frame) = body.frame().await
    {
        if let Some(data) = frame.map_err(|error| broken(&error))?.data_ref() {
            read.extend_from_slice(data);
        }
    }
    read.truncate(LONGEST_BODY);
    if String::from_utf8_lossy(&read).contains(expected) {
        return Ok(());
    }
    let length = read.len();
    Err(Bad::Server(format!(
        "an answer of {length} bytes, without what is expected"
    )))
}

fn broken(error: &hyper::Error) -> Bad {
    if error.is_incomplete_message() {
        return Bad::Server("the connection was closed before an answer".to_owned());
    }
    if error.is_canceled() {
        return Bad::Server("the answer came before the request: it is no HTTP".to_owned());
    }
    of_a_library(error, "the answer is no HTTP")
}
