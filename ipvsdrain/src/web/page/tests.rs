//! The routes of the page over a real socket, without a browser.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Instant;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::MOST_READERS;
use super::assets::{ASSETS, GUARDS};
use super::scene_tests::{self as scenes, Scene};
use super::stage_tests::{Stage, on_stage};
use super::trouble_tests as troubled;

async fn served<F: Future<Output = ()>>(scene: Scene, talk: impl FnOnce(Stage, SocketAddr) -> F) {
    let (stage, web, address) = on_stage(scene).await;
    tokio::select! {
        ended = web.serve() => panic!("the server ended: {ended:?}"),
        () = talk(stage, address) => {}
    }
}

/// A connection that has asked, and the head of its answer in lower case.
async fn asked(address: SocketAddr, request: &str) -> (BufReader<TcpStream>, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut head).await.unwrap() > 0, "{head}");
    }
    (stream, head.to_lowercase())
}

/// The data of the next event of this name.
async fn event(stream: &mut BufReader<TcpStream>, name: &str) -> Value {
    loop {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).await.unwrap() > 0, "the stream ended");
        if line.trim() == format!("event: {name}") {
            line.clear();
            stream.read_line(&mut line).await.unwrap();
            return serde_json::from_str(line.strip_prefix("data: ").unwrap()).unwrap();
        }
    }
}

#[tokio::test]
async fn each_file_says_its_type_and_lets_nothing_else_in() {
    served(scenes::nothing(), |_, address| async move {
        for (path, kind, text) in ASSETS {
            let (mut stream, head) = asked(address, &format!("GET {path}")).await;
            assert!(head.starts_with("http/1.1 200"), "{path}: {head}");
            assert!(head.contains(&format!("content-type: {kind}")), "{path}: {head}");
            for (name, value) in GUARDS {
                let line = format!("{name}: {value}");
                assert!(head.contains(&line), "{path} without {line}: {head}");
            }
            let mut body = String::new();
            stream.read_to_string(&mut body).await.unwrap();
            assert_eq!(body, text, "{path}");
        }
    })
    .await;
}

#[test]
fn the_page_is_all_there_and_runs_no_script_of_its_own() {
    let page = ASSETS[0].2;
    for (path, ..) in &ASSETS[1..] {
        let name = path.trim_start_matches('/');
        let named =
            |text: &str| text.contains(&format!("\"{name}\"")) || text.contains(&format!("\"./{name}\""));
        assert!(
            ASSETS.iter().any(|(_, _, text)| named(text)),
            "nobody uses {name}"
        );
    }
    assert!(
        !page.contains(" style=") && !page.contains(" onload=") && !page.contains("://"),
        "{page}"
    );
    for (path, _, text) in ASSETS {
        for way_in in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
        ] {
            assert!(!text.contains(way_in), "{path} makes markup of text: {way_in}");
        }
    }
}

#[tokio::test]
async fn it_can_only_be_looked_at() {
    served(scenes::nothing(), |_, address| async move {
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            for path in ["/", "/events", "/page.js"] {
                let (_, head) = asked(address, &format!("{method} {path}")).await;
                assert!(head.starts_with("http/1.1 405"), "{method} {path}: {head}");
            }
        }
        let (_, head) = asked(address, "GET /nothing").await;
        assert!(head.starts_with("http/1.1 404"), "{head}");
    })
    .await;
}

#[tokio::test]
async fn the_first_events_are_the_last_minutes_and_everything_as_it_is() {
    served(scenes::draining(), |_, address| async move {
        let (mut stream, head) = asked(address, "GET /events").await;
        assert!(head.contains("content-type: text/event-stream"), "{head}");
        assert!(
            head.contains("content-security-policy: default-src 'none'"),
            "{head}"
        );
        assert!(head.contains("x-accel-buffering: no"), "{head}");
        let past = event(&mut stream, "past").await;
        assert!(past["7"].as_array().unwrap().len() > 100, "{past}");
        let now = event(&mut stream, "now").await;
        assert_eq!(now["drains"][0]["server"], "10.1.0.5:53");
        assert_eq!(
            now["drains"][0]["point"][0],
            past["7"].as_array().unwrap().last().unwrap()[0]
        );
        assert_eq!(
            (&now["ended"][0]["lost"], &now["services"][0]["whole"]["percent"]),
            (&0.into(), &66.into())
        );
        assert_eq!(now["host"], "lb1");
        event(&mut stream, "now").await;
    })
    .await;
}

#[tokio::test]
async fn what_is_not_known_is_null_and_not_0() {
    served(troubled::table_unreadable(), |_, address| async move {
        let (mut stream, _) = asked(address, "GET /events").await;
        let now = event(&mut stream, "now").await;
        assert_eq!(now["services"], Value::Null);
        assert!(now["table_fault"].as_str().unwrap().contains("EPERM"), "{now}");
    })
    .await;
    served(troubled::uncountable(), |_, address| async move {
        let (mut stream, _) = asked(address, "GET /events").await;
        let past = event(&mut stream, "past").await;
        assert_eq!(
            past["7"][0].as_array().unwrap()[1..],
            [Value::Null, Value::Null, Value::Null]
        );
        let now = event(&mut stream, "now").await;
        for unknown in ["live", "arrivals", "forwarded", "progress", "left_seconds"] {
            assert_eq!(now["drains"][0][unknown], Value::Null, "{unknown}: {now}");
        }
        assert_eq!(now["ended"][0]["lost"], Value::Null);
    })
    .await;
}

#[tokio::test]
async fn however_many_look_the_supervisor_is_asked_once_a_second_and_not_when_nobody_does() {
    served(scenes::pooled(), |stage, address| async move {
        let begin = Instant::now();
        let mut readers = Vec::new();
        for _ in 0..20 {
            readers.push(asked(address, "GET /events").await.0);
        }
        for reader in &mut readers {
            for _ in 0..2 {
                event(reader, "now").await;
            }
        }
        let asked_for = stage.asked.load(Ordering::Relaxed);
        let seconds = begin.elapsed().as_secs();
        assert!(
            (2..=seconds + 1).contains(&asked_for),
            "{asked_for} times in {seconds} s"
        );
        drop(readers);
        // Once the server has noticed that they are gone, a new one is the first to make it ask again.
        let (mut late, _) = asked(address, "GET /events").await;
        event(&mut late, "past").await;
    })
    .await;
}

#[tokio::test]
async fn pages_have_a_bound_and_a_seat_is_free_again_once_one_is_closed() {
    served(scenes::nothing(), |_, address| async move {
        let mut readers = Vec::new();
        for _ in 0..MOST_READERS {
            let (reader, head) = asked(address, "GET /events").await;
            assert!(head.starts_with("http/1.1 200"), "{head}");
            readers.push(reader);
        }
        let (_, head) = asked(address, "GET /events").await;
        assert!(
            head.starts_with("http/1.1 503") && head.contains("retry-after: 10"),
            "{head}"
        );
        readers.pop();
        // The server notices when it next has something to say.
        while !asked(address, "GET /events").await.1.starts_with("http/1.1 200") {
            event(&mut readers[0], "now").await;
        }
    })
    .await;
}
