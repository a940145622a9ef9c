//! What happens while a person looks: a drain goes its way, the daemon goes away and comes back.

use std::fs;
use std::net::SocketAddr;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::sleep;

use super::super::scene_tests::{self as scenes, Scene};
use super::super::stage_tests::{ANY_PORT, Stage, on_stage_at};
use super::chromium::Chromium;
use super::{READY, accessible, axe, screenshots, troubles};
use crate::clock;
use crate::config::{Config, Reloads};
use crate::drain::State;
use crate::supervise::fake_kernel::FakeKernel;
use crate::supervise::journal::Keeper;
use crate::supervise::{Command, Order, Supervisor};
use crate::web::Web;

/// A daemon that can be stopped, with all its connections.
struct Daemon {
    stage: Stage,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Daemon {
    fn start(address: SocketAddr, scene: Scene) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            runtime.enable_all().build().unwrap().block_on(async move {
                let (stage, web, address) = on_stage_at(address, scene).await;
                ready.send((stage, address)).unwrap();
                tokio::select! {
                    ended = web.serve() => panic!("the server ended: {ended:?}"),
                    _ = stopped => {}
                }
            });
        });
        let (stage, address) = is_ready.recv().unwrap();
        Self {
            stage,
            address,
            stop,
            thread,
        }
    }

    fn stop(self) {
        self.stop.send(()).unwrap();
        self.thread.join().unwrap();
    }
}

fn says(words: &str) -> String {
    format!("document.body.innerText.includes({words:?})")
}

fn titled(words: &str) -> String {
    format!("document.title.startsWith({words:?})")
}

#[tokio::test]
#[ignore = "needs Chromium and axe-core: `cargo xtask page`"]
async fn changes_show_by_themselves_and_a_daemon_that_is_gone_is_called_gone() {
    let daemon = Daemon::start(ANY_PORT, scenes::draining());
    let address = daemon.address;
    let origin = format!("http://{address}/");
    let mut browser = Chromium::start().await.unwrap();
    browser.look(1200, 900, false, "light").await.unwrap();
    browser.open(&origin).await.unwrap();
    browser.until(READY).await.unwrap();
    browser.value(&axe()).await.unwrap();
    // Opened in mid-drain, it shows how it came there.
    let plotted = "document.querySelector('path.area.udp').getAttribute('d').split('L').length";
    let points = browser.value(plotted).await.unwrap();
    assert!(points.as_u64().is_some_and(|points| points > 100), "{points}");

    browser
        .value("document.querySelector('summary').click(), document.querySelector('summary').focus()")
        .await
        .unwrap();
    daemon.stage.show(scenes::quiet(State::Quiet));
    browser.until(&says("Quiet for")).await.unwrap();
    let still = "document.querySelector('details').open && document.activeElement.nodeName === 'SUMMARY'";
    assert_eq!(
        browser.value(still).await.unwrap(),
        true,
        "what was opened stays open"
    );
    let spoken = "document.getElementById('spoken').textContent.includes('10.1.0.5:53 is quiet')";
    browser.until(spoken).await.unwrap();

    daemon.stage.show(scenes::gone(Some(0)));
    browser.until(&titled("0 drains")).await.unwrap();
    browser
        .until(&says("0 packets lost, 41 flows re-scheduled"))
        .await
        .unwrap();
    assert_eq!(troubles(&browser, &origin), Vec::<String>::new());

    daemon.stop();
    browser.until(&says("Not connected since")).await.unwrap();
    browser.until(&titled("not connected")).await.unwrap();
    browser
        .until(&says("what the daemon said last, and old"))
        .await
        .unwrap();
    assert_eq!(accessible(&mut browser).await.unwrap(), serde_json::json!([]));
    for (look, width, is_phone, scheme) in [
        ("desktop-light", 1200, false, "light"),
        ("phone-dark", 360, true, "dark"),
    ] {
        browser.look(width, 1000, is_phone, scheme).await.unwrap();
        let picture = browser.picture().await.unwrap();
        fs::write(screenshots().join(format!("disconnected-{look}.png")), picture).unwrap();
    }

    let daemon = Daemon::start(address, scenes::pooled());
    browser.until(&says("No server is being drained")).await.unwrap();
    browser
        .until(&format!("{READY} && !{}", says("Not connected")))
        .await
        .unwrap();
    daemon.stop();
}

#[tokio::test]
#[ignore = "needs Chromium and axe-core: `cargo xtask page`"]
async fn a_drain_is_followed_from_the_request_to_its_verdict() {
    let kernel = FakeKernel::new();
    {
        let mut host = kernel.0.borrow_mut();
        host.now = clock::now();
        // Until it is said otherwise.
        host.flows_until = host.now + Duration::from_hours(1);
    }
    let clockwork = kernel.clone();
    let folder = tempfile::tempdir().unwrap();
    let keeper = Keeper::at(folder.path()).unwrap();
    let supervisor = Supervisor::resume(kernel, keeper, "boot".to_owned(), clock::now_unix);
    let (handle, inbox) = supervisor.handle();
    let configured = watch::channel(Config::default()).1;
    let web = Web::bind(
        ANY_PORT,
        handle.clone(),
        configured,
        watch::channel(Reloads::since(0)).1,
    )
    .await
    .unwrap();
    let origin = format!("http://{}/", web.listener.local_addr().unwrap());
    let look = async {
        let mut browser = Chromium::start().await?;
        browser.open(&origin).await?;
        browser.until(&says("No server is being drained")).await?;
        let order = Order::of("udp:10.0.0.1:53".parse()?, "10.1.0.5:53".parse()?);
        handle.ask(|reply| Command::Begin { order, reply }).await?;
        browser.until(&says("1 flow is live")).await?;
        {
            let mut host = clockwork.0.borrow_mut();
            host.flows_until = host.now;
        }
        browser
            .until(&says("0 packets lost, 0 flows re-scheduled"))
            .await?;
        assert_eq!(troubles(&browser, &origin), Vec::<String>::new());
        anyhow::Ok(())
    };
    // Time passes faster than here.
    let tick = async {
        loop {
            sleep(Duration::from_millis(250)).await;
            clockwork.pass_a_second();
        }
    };
    let running = Box::pin(supervisor.run(inbox, std::future::pending()));
    tokio::select! {
        () = running => panic!("the supervisor ended"),
        ended = web.serve() => panic!("the server ended: {ended:?}"),
        () = tick => {}
        looked = look => looked.unwrap(),
    }
}
