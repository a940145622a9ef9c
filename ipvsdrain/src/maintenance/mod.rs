//! Drains asked for by a file: one named after an address, in a folder that the configuration names, drains that host in
//! every service, and its removal restores it. For tools that can do no more than touch a file.
//!
//! Asks the supervisor as any client does, and decides nothing about a drain. A folder that cannot be read is no empty
//! folder: nothing is begun and nothing restored by it.

mod folder;
mod wish;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

pub use self::folder::Marker;
use self::wish::{Key, Wish, wishes};
use crate::config::Config;
use crate::drain::Reason;
use crate::supervise::{Command, Handle, Listing, Order, RequestError};

/// A file is noticed within this time.
const PERIOD: Duration = Duration::from_secs(1);

/// Follows the folder of the current configuration, for good.
pub async fn follow(config: watch::Receiver<Config>, handle: Handle) {
    let mut tick = interval(PERIOD);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut said = Said::default();
    loop {
        tick.tick().await;
        let folder = config.borrow().settings.maintenance.folder.clone();
        let Some(folder) = folder else { continue };
        // Without its journal the daemon begins nothing, and may not know its drains.
        if handle.journal.borrow().fault.is_some() {
            continue;
        }
        let markers = match folder::read(&folder) {
            Ok(found) => {
                said.folder(found.odd.first().map(|odd| {
                    format!(
                        "{}: `{odd}` is no address, and drains nothing: name the file after one, such as 10.1.0.5",
                        folder.display()
                    )
                }));
                found.markers
            }
            Err(fault) => {
                said.folder(Some(format!("{fault}; what it asked for before stays as it is")));
                continue;
            }
        };
        fulfil(&markers, &handle, &mut said).await;
    }
}

/// Asks for what the markers want and is not so yet.
async fn fulfil(markers: &[Marker], handle: &Handle, said: &mut Said) {
    if markers.is_empty() && wishes(markers, &Listing::new(), &handle.drains.borrow()).is_empty() {
        said.forget_all_but(&[]);
        return; // Without files only the records can want something: the table need not be read each second.
    }
    let Ok((listing, _)) = handle.ask(|reply| Command::List { reply }).await else {
        return; // The table cannot be read: what is wanted is not known.
    };
    let records = handle.drains.borrow().clone();
    let wishes = wishes(markers, &listing, &records);
    said.forget_all_but(&wishes);
    for wish in wishes {
        let key = wish.key();
        let answer = match &wish {
            Wish::Drain { note, .. } => {
                let order = Order {
                    reason: Reason::Marker,
                    why: note.clone(),
                    ..Order::of(key.0, key.1)
                };
                handle.ask(|reply| Command::Begin { order, reply }).await
            }
            Wish::Restore { .. } => {
                let (service, server) = key;
                handle
                    .ask(|reply| Command::Restore {
                        service,
                        server,
                        reply,
                    })
                    .await
            }
        };
        match answer {
            Ok(_) => info!(service = %key.0, server = %key.1, "{wish}"),
            Err(error) => said.refused(&wish, &error),
        }
    }
}

/// What was complained of: once, and again when it changes.
#[derive(Debug, Default)]
struct Said {
    folder: Option<String>,
    refused: BTreeMap<Key, String>,
}

impl Said {
    fn folder(&mut self, complaint: Option<String>) {
        if let Some(new) = complaint.as_ref().filter(|_| complaint != self.folder) {
            warn!("maintenance folder {new}");
        }
        self.folder = complaint;
    }

    fn refused(&mut self, wish: &Wish, error: &RequestError) {
        let key = wish.key();
        let text = error.to_string();
        if self.refused.get(&key) != Some(&text) {
            warn!(service = %key.0, server = %key.1, "{wish}, but: {text}; tried again each second");
            self.refused.insert(key, text);
        }
    }

    fn forget_all_but(&mut self, wishes: &[Wish]) {
        self.refused
            .retain(|key, _| wishes.iter().any(|wish| wish.key() == *key));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::drain::State;
    use crate::supervise::Supervisor;
    use crate::supervise::fake_kernel::FakeKernel;
    use crate::supervise::journal::Keeper;

    #[tokio::test]
    async fn a_file_drains_its_host_and_its_removal_restores_it() {
        let folder = tempfile::tempdir().unwrap();
        let markers = folder.path().join("markers");
        fs::create_dir(&markers).unwrap();
        let mut config = Config::default();
        config.settings.maintenance.folder = Some(markers.clone());
        let (_config, following) = watch::channel(config);
        let journal = Keeper::at(folder.path()).unwrap();
        let supervisor = Supervisor::resume(FakeKernel::new(), journal, "boot".to_owned(), || u64::MAX / 2);
        let (handle, inbox) = supervisor.handle();
        let mut drains = handle.drains.clone();
        let talk = async {
            fs::write(markers.join("10.9.9.9"), "").unwrap();
            fs::write(markers.join("10.1.0.5"), "new disk").unwrap();
            let begun = |records: &std::sync::Arc<Vec<crate::drain::Record>>| {
                records.iter().any(|record| record.state == State::Draining)
            };
            let record = drains.wait_for(begun).await.unwrap()[0].clone();
            assert_eq!((record.reason, record.why.as_str()), (Reason::Marker, "new disk"));
            assert_eq!(record.server.to_string(), "10.1.0.5:53");
            // A folder that is away is no order to restore.
            let aside = folder.path().join("aside");
            fs::rename(&markers, &aside).unwrap();
            tokio::time::sleep(PERIOD * 2).await;
            assert_eq!(drains.borrow()[0].state, State::Draining);
            fs::remove_file(aside.join("10.1.0.5")).unwrap();
            fs::rename(&aside, &markers).unwrap();
            drains
                .wait_for(|records| records[0].state == State::Restored)
                .await
                .unwrap();
        };
        tokio::select! {
            () = follow(following, handle.clone()) => panic!("the folder is not followed any more"),
            () = supervisor.run(inbox, std::future::pending()) => panic!("the supervisor ended"),
            () = talk => {}
        }
    }
}
