//! What is on the screen: samples and keys in, a frame out.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::{Value, json};

use super::draw;
use super::model::Model;
use crate::api::Status;

fn server(address: &str, weight: u32, inactive: u32) -> Value {
    json!({
        "server": address, "forwarding": "direct_route", "weight": weight, "upper_threshold": 0, "lower_threshold": 0,
        "active": 0, "inactive": inactive, "persistent": 0,
    })
}

fn drain(changes: &Value) -> Value {
    let mut view = json!({
        "id": 1, "service": "udp:10.0.0.1:53", "server": "10.1.0.5:53", "state": "draining", "held": null,
        "evidence_unknown": false, "live": null, "rung": "probes", "entries": 0,
        "before": {"forwarding": "direct_route", "weight": 5, "upper_threshold": 0, "lower_threshold": 0},
        "policy": {}, "migrated": 0, "over": false, "verdict": null, "seconds_since_start": 3.0,
        "seconds_to_removal": null, "who": "", "why": "", "revision": 7,
        "transitions": [{"from": "pooled", "to": "draining", "seconds_since_start": 0.5, "why": "weight 0"}],
    });
    for (key, value) in changes.as_object().unwrap() {
        view[key] = value.clone();
    }
    view
}

fn status(servers: &[Value], drains: &[Value]) -> Status {
    let services = if servers.is_empty() {
        json!([])
    } else {
        json!([{"service": "udp:10.0.0.1:53", "scheduler": "rr", "servers": servers}])
    };
    serde_json::from_value(json!({
        "services": services, "drains": drains, "attached": [],
        "journal": {"ok": true, "fault": null, "drains_known": true, "at_weight_zero": []},
    }))
    .unwrap()
}

fn live(udp: u64) -> Value {
    json!({"udp": udp, "tcp_open": 0, "tcp_closing": 0, "forwarded": 9, "last_packet": null})
}

fn pair(weight: u32) -> [Value; 2] {
    [server("10.1.0.5:53", weight, 4), server("10.1.0.6:53", 2, 3)]
}

/// Eight flows at first, three at last.
fn draining() -> Model {
    let mut model = Model::default();
    for udp in [8, 8, 7, 5, 3] {
        model.take(Ok(status(&pair(0), &[drain(&json!({"live": live(udp)}))])));
    }
    model
}

fn press(model: &mut Model, code: KeyCode) -> bool {
    model.press(KeyEvent::new(code, KeyModifiers::NONE))
}

fn screen(model: &Model, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw::frame(frame, model)).unwrap();
    terminal.backend().to_string()
}

#[test]
fn what_fails_and_keeps_its_weight_is_called_so() {
    let known = |server: &str, stance: Value, verdict: &str| {
        json!({
            "service": "udp:10.0.0.1:53", "server": server, "verdict": verdict, "seconds": 1.0, "source": null,
            "because": null, "failures": 0, "unanimous": false, "stance": stance, "doing": "", "alarm": false,
            "level": 0, "hold_down_secs": null, "sources": [],
        })
    };
    let state = |weight, stance: Value, verdict: &str| {
        let mut status = status(&pair(weight), &[]);
        status.health = vec![serde_json::from_value(known("10.1.0.5:53", stance, verdict)).unwrap()];
        let mut model = Model::default();
        model.take(Ok(status));
        let rows = model.rows();
        assert_eq!(rows[1].state, "pooled", "nobody spoke of the other one");
        rows[0].state.clone()
    };
    assert_eq!(state(5, json!({"is": "well"}), "up"), "pooled");
    let needed = json!({"is": "needed", "because": "the floor"});
    assert_eq!(state(5, needed, "down"), "failing/needed");
    assert_eq!(state(5, json!({"is": "all_fail"}), "down"), "all fail");
    assert_eq!(state(5, json!({"is": "reported"}), "down"), "failing");
    assert_eq!(state(0, json!({"is": "foreign"}), "down"), "foreign");
}

#[test]
fn empty() {
    let mut model = Model::default();
    model.take(Ok(status(&[], &[])));
    insta::assert_snapshot!(screen(&model, 100, 6));
}

#[test]
fn pooled() {
    let mut model = Model::default();
    model.take(Ok(status(&pair(2), &[])));
    insta::assert_snapshot!(screen(&model, 100, 8));
}

#[test]
fn draining_with_live_flows() {
    insta::assert_snapshot!(screen(&draining(), 100, 12));
}

#[test]
fn held() {
    let mut model = Model::default();
    let held = drain(
        &json!({"held": "net.ipv4.vs.expire_nodest_conn cannot be read: EACCES", "evidence_unknown": true}),
    );
    model.take(Ok(status(&pair(0), &[held])));
    insta::assert_snapshot!(screen(&model, 100, 12));
}

#[test]
fn removed() {
    let mut model = draining();
    let verdict = "removed: proven empty, taken out of the table; 0 packets lost, 0 flows re-scheduled";
    let over = drain(&json!({"state": "removed", "over": true, "verdict": verdict}));
    model.take(Ok(status(&pair(0)[1..], &[over])));
    insta::assert_snapshot!(screen(&model, 100, 12));
}

#[test]
fn daemon_gone() {
    let mut model = draining();
    for _ in 0..3 {
        model.take(Err("/run/ipvsdrain/ipvsdrain.sock: no daemon answers".to_owned()));
    }
    insta::assert_snapshot!(screen(&model, 100, 14));
    model.take(Ok(status(&pair(0), &[])));
    assert!(!screen(&model, 100, 14).contains("no answer"), "it is back");
}

#[test]
fn never_a_daemon() {
    let mut model = Model::default();
    model.take(Err("/run/ipvsdrain/ipvsdrain.sock: no daemon answers".to_owned()));
    insta::assert_snapshot!(screen(&model, 100, 6));
}

#[test]
fn narrow() {
    insta::assert_snapshot!(screen(&draining(), 60, 12));
}

#[test]
fn tiny_terminals_are_survived() {
    let model = draining();
    for width in 1..30 {
        for height in 1..8 {
            screen(&model, width, height);
        }
    }
}

#[test]
fn details_explain_the_selected_server() {
    let mut model = draining();
    press(&mut model, KeyCode::Enter);
    insta::assert_snapshot!("details_of_a_drain", screen(&model, 100, 14));
    press(&mut model, KeyCode::Down);
    let said = screen(&model, 100, 14);
    assert!(said.contains("Pooled: 10.1.0.6:53"), "{said}");
}

#[test]
fn help() {
    let mut model = draining();
    press(&mut model, KeyCode::Char('?'));
    insta::assert_snapshot!(screen(&model, 100, 20));
}

#[test]
fn keys_do_what_they_say_and_only_q_and_ctrl_c_quit() {
    let mut model = draining();
    assert_eq!(model.selected(), 0);
    for (code, selected) in [
        (KeyCode::Down, 1),
        (KeyCode::Down, 1),
        (KeyCode::Up, 0),
        (KeyCode::Up, 0),
        (KeyCode::End, 1),
    ] {
        assert!(!press(&mut model, code));
        assert_eq!(model.selected(), selected, "{code}");
    }
    // The selected server keeps the selection when its line moves; one that is gone leaves it to the first.
    model.take(Ok(status(&pair(2)[1..], &[])));
    assert_eq!(
        model.rows()[model.selected()].name.server.to_string(),
        "10.1.0.6:53"
    );
    model.take(Ok(status(&pair(2)[..1], &[])));
    assert_eq!(model.selected(), 0);
    assert!(press(&mut model, KeyCode::Char('q')));
    assert!(!press(&mut model, KeyCode::Char('c')));
    assert!(model.press(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)));
}

#[test]
fn three_minutes_are_kept() {
    let mut model = Model::default();
    for second in 0..400 {
        model.take(Ok(status(&pair(0), &[drain(&json!({"live": live(second)}))])));
    }
    let rows = model.rows();
    let kept = &rows[0].samples.unwrap().0;
    assert_eq!((kept.len(), kept[0]), (super::model::KEPT, Some(220)));
}
