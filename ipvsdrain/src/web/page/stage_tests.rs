//! A supervisor that shows a scene, behind the real server.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, watch};

use super::Page;
use super::scene_tests::Scene;
use crate::clock;
use crate::config::{Config, Reloads};
use crate::drain::Record;
use crate::supervise::{Command, Handle, JournalCondition, Overview, RequestError, Tally};
use crate::web::Web;

pub(super) const ANY_PORT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// A supervisor that shows a scene, and counts how often it is asked.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    scene: Arc<Mutex<Scene>>,
    drains: Arc<watch::Sender<Arc<Vec<Record>>>>,
    journal: Arc<watch::Sender<JournalCondition>>,
    pub(super) asked: Arc<AtomicU64>,
}

impl Stage {
    pub(super) fn show(&self, scene: Scene) {
        self.journal.send_replace(scene.journal.clone());
        self.drains.send_replace(Arc::new(scene.drains.clone()));
        *self.scene.lock().unwrap() = scene;
    }

    async fn answer(self, mut inbox: mpsc::Receiver<Command>) {
        while let Some(command) = inbox.recv().await {
            let Command::Overview { reply } = command else {
                panic!("the page asks for an overview and for nothing else: {command:?}");
            };
            self.asked.fetch_add(1, Ordering::Relaxed);
            let scene = self.scene.lock().unwrap().clone();
            let overview = Overview {
                listing: scene.listing,
                attached: scene.attached,
                health: scene.health,
                usage: None,
                tally: Tally::default(),
            };
            drop(reply.send(Ok::<_, RequestError>(overview)));
        }
    }
}

/// The real server, on a port of its own, in front of this scene.
pub(super) async fn on_stage(scene: Scene) -> (Stage, Web, SocketAddr) {
    on_stage_at(ANY_PORT, scene).await
}

pub(super) async fn on_stage_at(address: SocketAddr, scene: Scene) -> (Stage, Web, SocketAddr) {
    let (commands, inbox) = mpsc::channel(16);
    let stage = Stage {
        scene: Arc::new(Mutex::new(scene.clone())),
        drains: Arc::new(watch::channel(Arc::default()).0),
        journal: Arc::new(watch::channel(JournalCondition::default()).0),
        asked: Arc::default(),
    };
    let handle = Handle {
        commands,
        drains: stage.drains.subscribe(),
        journal: stage.journal.subscribe(),
        beats: watch::channel(clock::now()).1,
    };
    let mut config = Config::default();
    config.rules.shadow = scene.shadow;
    let mut web = Web::bind(
        address,
        handle,
        watch::channel(config).1,
        watch::channel(Reloads::since(0)).1,
    )
    .await
    .unwrap();
    web.shared.page = Arc::new(Page::of("lb1"));
    for record in &scene.before {
        web.shared.page.past().see(std::slice::from_ref(record));
    }
    stage.show(scene);
    tokio::spawn(stage.clone().answer(inbox));
    let address = web.listener.local_addr().unwrap();
    (stage, web, address)
}
