//! Commands that are told of transitions: each gets JSON on its standard input, one at a time, and only so long.
//!
//! A drain never waits for a hook, and nothing that a hook does or says changes a drain. Transitions that happened while no
//! daemon ran are not told.

mod news;
mod run;

use tokio::sync::{mpsc, watch};
use tracing::warn;

use self::news::{News, Told};
use crate::config::{Config, Hook};
use crate::supervise::Handle;

/// So many transitions may wait for one hook; more are dropped, and said.
const QUEUE: usize = 256;

/// Follows the drains for good, and tells the hooks of the current configuration.
pub async fn tell(mut config: watch::Receiver<Config>, handle: Handle) {
    let mut drains = handle.drains;
    // What was before this daemon is no news.
    let mut told = Told::default();
    told.news(&drains.borrow_and_update());
    let mut queues = queues(&config.borrow_and_update().settings.hook);
    while drains.changed().await.is_ok() {
        if config.has_changed().unwrap_or(false) {
            queues = self::queues(&config.borrow_and_update().settings.hook);
        }
        let news = told.news(&drains.borrow_and_update());
        for news in &news {
            for queue in &queues {
                queue.offer(news);
            }
        }
    }
}

/// One hook, and what it is still to be told.
#[derive(Debug)]
struct Queue {
    hook: Hook,
    waiting: mpsc::Sender<String>,
}

/// A worker for each. Those of an earlier configuration end when their queue is empty.
fn queues(hooks: &[Hook]) -> Vec<Queue> {
    let start = |hook: &Hook| {
        let (waiting, mut next) = mpsc::channel::<String>(QUEUE);
        let worker = hook.clone();
        tokio::spawn(async move {
            while let Some(json) = next.recv().await {
                if let Err(fault) = run::run(&worker, &json).await {
                    warn!("hook {fault}");
                }
            }
        });
        Queue {
            hook: hook.clone(),
            waiting,
        }
    };
    hooks.iter().map(start).collect()
}

impl Queue {
    fn offer(&self, news: &News) {
        if !self.hook.on.contains(&news.to) {
            return;
        }
        if self.waiting.try_send(news.json()).is_err() {
            let program = self.hook.run.first().map_or("", String::as_str);
            warn!(
                "hook {program}: {QUEUE} transitions wait for it already; not told that {} is {}",
                news.server, news.to
            );
        }
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
    async fn a_hook_is_told_of_the_states_it_asked_for_and_a_drain_does_not_wait_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let told = folder.path().join("told");
        let hook = |script: String, on: &[State]| Hook {
            run: vec!["/bin/sh".to_owned(), "-c".to_owned(), script],
            on: on.to_vec(),
            timeout_secs: 300,
        };
        let mut config = Config::default();
        config.settings.hook = vec![
            hook(
                format!("cat >> {0}; echo >> {0}.done", told.display()),
                &[State::Draining],
            ),
            // Never ends: the drain and the other hook go on all the same.
            hook(
                "exec sleep 1000".to_owned(),
                &[State::Draining, State::Restoring, State::Restored],
            ),
        ];
        let (_config, following) = watch::channel(config);
        let journal = Keeper::at(folder.path()).unwrap();
        let supervisor = Supervisor::resume(FakeKernel::new(), journal, "boot".to_owned(), || 0);
        let (handle, inbox) = supervisor.handle();
        let key = ("udp:10.0.0.1:53".parse().unwrap(), "10.1.0.5:53".parse().unwrap());
        let talk = async {
            // The hooks' baseline is taken before the drain begins.
            tokio::task::yield_now().await;
            let (reply, answer) = tokio::sync::oneshot::channel();
            let order = crate::supervise::Order::of(key.0, key.1);
            let begin = crate::supervise::Command::Begin { order, reply };
            handle.commands.send(begin).await.unwrap();
            answer.await.unwrap().unwrap();
            while !told.with_extension("done").exists() {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            let (reply, answer) = tokio::sync::oneshot::channel();
            let (service, server) = key;
            let restore = crate::supervise::Command::Restore {
                service,
                server,
                reply,
            };
            handle.commands.send(restore).await.unwrap();
            assert_eq!(answer.await.unwrap().unwrap().state, State::Restored);
        };
        tokio::select! {
            () = tell(following, handle.clone()) => panic!("the hooks ended"),
            () = supervisor.run(inbox, std::future::pending()) => panic!("the supervisor ended"),
            () = talk => {}
        }
        let lines = fs::read_to_string(&told).unwrap();
        let news: Vec<serde_json::Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(news.len(), 1, "{lines}");
        assert_eq!(
            (&news[0]["from"], &news[0]["to"]),
            (&"pooled".into(), &"draining".into())
        );
        assert_eq!(news[0]["drain"]["before"]["weight"], 5);
    }
}
