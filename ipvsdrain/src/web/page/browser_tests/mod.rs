//! The page as a person sees it, in headless Chromium: `cargo xtask page` runs these. Pictures go to `target/screenshots`.

mod changes;
mod chromium;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use self::chromium::Chromium;
use super::scene_tests::{self as scenes, Scene};
use super::stage_tests::{Stage, on_stage};
use super::trouble_tests as troubled;
use crate::drain::State;

/// Name, width, height, is it a phone, colours.
const LOOKS: [(&str, u32, u32, bool, &str); 4] = [
    ("desktop-light", 1200, 900, false, "light"),
    ("desktop-dark", 1200, 900, false, "dark"),
    ("phone-light", 360, 740, true, "light"),
    ("phone-dark", 360, 740, true, "dark"),
];

/// A scene, what a person must read in it, and what must not stand there.
struct Seen {
    name: &'static str,
    scene: fn() -> Scene,
    says: &'static [&'static str],
    never: &'static [&'static str],
}

const SCENES: [Seen; 13] = [
    Seen {
        name: "nothing",
        scene: scenes::nothing,
        says: &[
            "No server is being drained",
            "ipvsdrain drain SERVICE SERVER --wait",
            "There is no virtual service",
            "live",
        ],
        never: &["Ended lately", "Alarm", "unknown"],
    },
    Seen {
        name: "pooled",
        scene: scenes::pooled,
        says: &[
            "udp:10.0.0.1:53",
            "10.1.0.6:53",
            "pooled",
            "100 % of the weight, 3 of 3 servers",
            "floor 50 % and 1 server",
            "Nothing is attached",
        ],
        never: &["unknown", "draining for"],
    },
    Seen {
        name: "draining",
        scene: scenes::draining,
        says: &[
            "Draining for",
            "flows are live",
            "by ann: kernel update (CHG-1207)",
            "0 lost",
            "probes, looked",
            "it goes on, overdue",
            "UDP",
            "TCP open",
            "Forwarded here",
            "66 % of the weight, 2 of 3 servers",
            "Removed: proven empty, taken out of the table; 0 packets lost, 41 flows re-scheduled",
        ],
        never: &["unknown", "Held"],
    },
    Seen {
        name: "held",
        scene: scenes::held,
        says: &[
            "Held: evidence unknown: live flows cannot be observed",
            "evidence unknown",
            "Live flows are unknown",
            "lost: not counted",
            "<script>document.title='broken in'</script><img src=x onerror=alert(1)>",
        ],
        never: &["0 lost", "No flow is live"],
    },
    Seen {
        name: "overdue",
        scene: scenes::overdue,
        says: &[
            "overdue",
            "passed",
            "ago: it goes on, overdue",
            "2 flows began after weight 0",
            "drain with --persistence set",
            "Held: the deadline passed and flows are still live: 3 UDP flows",
        ],
        never: &["0 live flows"],
    },
    Seen {
        name: "quiet",
        scene: || scenes::quiet(State::Quiet),
        says: &["Quiet for", "no flow is live"],
        never: &["unknown", "Held"],
    },
    Seen {
        name: "drained",
        scene: || scenes::quiet(State::Drained),
        says: &["Drained for", "both witnesses were silent for 10 s"],
        never: &["unknown", "Held"],
    },
    Seen {
        name: "removed",
        scene: || scenes::gone(Some(0)),
        says: &[
            "Ended lately",
            "Removed: proven empty, taken out of the table; 0 packets lost, 41 flows re-scheduled",
            "0 packets lost",
            "by ann",
            "No server is being drained",
            "2 of 3 servers",
        ],
        never: &["unknown"],
    },
    Seen {
        name: "removed-with-loss",
        scene: || scenes::gone(Some(3)),
        says: &["3 packets lost, 41 flows re-scheduled", "3 packets lost"],
        never: &["0 packets lost"],
    },
    Seen {
        name: "failing",
        scene: troubled::failing,
        says: &[
            "Alarm: 10.1.0.6:53 of udp:10.0.0.1:53",
            "it fails, and keeps its weight",
            "Alarm: tcp:[2001:db8::1]:443",
            "all its servers fail: more likely whoever checks them is at fault",
            "down, needed",
            "down, all fail",
            "failure",
            "no answer within 2 s (check:dns)",
        ],
        never: &["unknown"],
    },
    Seen {
        name: "journal-fault",
        scene: troubled::journal_fault,
        says: &[
            "The journal does not work: nothing is begun, changed or removed",
            "not a database",
            "10.1.0.5:53 of udp:10.0.0.1:53",
            "Which drains there are is not known",
            "of how many is unknown",
        ],
        never: &["No server is being drained", "2 of 3 servers"],
    },
    Seen {
        name: "table-unreadable",
        scene: troubled::table_unreadable,
        says: &[
            "The table cannot be read: services and servers are unknown",
            "EPERM",
            "unknown services",
            "Quiet for",
        ],
        never: &["There is no virtual service", "0 services"],
    },
    Seen {
        name: "uncountable",
        scene: troubled::uncountable,
        says: &[
            "Flows cannot be counted here",
            "counters alone",
            "nothing better: no kprobes",
            "evidence is 3",
            "Shadow mode",
            "lost packets not counted",
            "lost packets were not counted (arrivals are not witnessed",
        ],
        never: &["0 lost", "0 packets lost", "No flow is live"],
    },
];

const READY: &str = "document.querySelector('.link.on') !== null";

fn screenshots() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/screenshots");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Opens a scene, and talks to the page while it is served.
async fn visit<F: Future<Output = anyhow::Result<()>>>(
    scene: Scene,
    talk: impl FnOnce(Stage, String, Chromium) -> F,
) {
    let browser = Chromium::start().await.unwrap();
    let (stage, web, address) = on_stage(scene).await;
    tokio::select! {
        ended = web.serve() => panic!("the server ended: {ended:?}"),
        done = talk(stage, format!("http://{address}/"), browser) => done.unwrap(),
    }
}

/// Errors of the page, and whatever it asked another one for.
fn troubles(browser: &Chromium, origin: &str) -> Vec<String> {
    let trouble = |(method, told): &(String, Value)| match method.as_str() {
        "Runtime.exceptionThrown" => Some(told.to_string()),
        "Runtime.consoleAPICalled" => Some(told["args"].to_string()),
        "Log.entryAdded" => Some(told["entry"].to_string()),
        "Network.requestWillBeSent" => {
            let url = told["request"]["url"].as_str().unwrap_or_default();
            (!url.starts_with(origin)).then(|| format!("it asks {url}"))
        }
        _ => None,
    };
    browser.events.iter().filter_map(trouble).collect()
}

/// The source of axe-core, to be evaluated in a page.
fn axe() -> String {
    let path =
        std::env::var("IPVSDRAIN_AXE").expect("IPVSDRAIN_AXE names axe.min.js: `cargo xtask page` sets it");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

async fn accessible(browser: &mut Chromium) -> anyhow::Result<Value> {
    browser
        .value(
            "axe.run(document, {resultTypes: ['violations']}).then(({violations}) => violations.map(
               ({id, help, nodes}) => ({id, help, nodes: nodes.map(({target, failureSummary}) => [target, failureSummary])})))",
        )
        .await
}

#[tokio::test]
#[ignore = "needs Chromium and axe-core: `cargo xtask page`"]
async fn each_state_shows_what_a_person_has_to_know() {
    let axe = &axe();
    let mut wrong = Vec::new();
    let only = std::env::var("SCENE").ok();
    for seen in SCENES
        .iter()
        .filter(|seen| only.as_ref().is_none_or(|only| seen.name == only))
    {
        let wrong = &mut wrong;
        visit((seen.scene)(), |_stage, origin, mut browser| async move {
            browser.look(1200, 900, false, "light").await?;
            browser.open(&origin).await?;
            browser.until(READY).await?;
            let text = browser.text().await?;
            let mut complain = |what: String| wrong.push(format!("{}: {what}", seen.name));
            for words in seen.says.iter().filter(|words| !text.contains(**words)) {
                complain(format!("does not say {words:?}:\n{text}"));
            }
            for words in seen.never.iter().filter(|words| text.contains(**words)) {
                complain(format!("says {words:?}:\n{text}"));
            }
            let title = browser.value("document.title").await?;
            let drains = (seen.scene)()
                .drains
                .iter()
                .filter(|drain| !drain.is_over())
                .count();
            let begins = if seen.name == "journal-fault" {
                "drains unknown".to_owned()
            } else {
                format!("{drains} drain")
            };
            let title = title
                .as_str()
                .unwrap_or_default()
                .trim_start_matches("! ")
                .to_owned();
            if !(title.starts_with(&begins) && title.ends_with("· lb1 · ipvsdrain")) {
                complain(format!("its title is {title}"));
            }
            browser.value(axe).await?;
            for (look, width, height, is_phone, scheme) in LOOKS {
                browser.look(width, height, is_phone, scheme).await?;
                let wide = browser.value("document.documentElement.scrollWidth").await?;
                if wide.as_u64().is_none_or(|wide| wide > u64::from(width)) {
                    complain(format!("{look} scrolls sideways: {wide} px"));
                }
                let violations = accessible(&mut browser).await?;
                if violations.as_array().is_none_or(|found| !found.is_empty()) {
                    complain(format!("{look}: axe-core finds {violations:#}"));
                }
                let tall = browser.value("document.documentElement.scrollHeight").await?;
                let tall = u32::try_from(tall.as_u64().unwrap_or(900))?;
                browser.look(width, tall, is_phone, scheme).await?;
                let picture = browser.picture().await?;
                fs::write(screenshots().join(format!("{}-{look}.png", seen.name)), picture)?;
            }
            for trouble in troubles(&browser, &origin) {
                complain(trouble);
            }
            Ok(())
        })
        .await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
