//! A thread inside a machine that runs until asked to stop and is always joined.

use std::thread::{Builder, JoinHandle};

use anyhow::{Context, Result, anyhow};

use super::Stop;
use crate::world::Machine;

/// A thread inside a machine; dropping it stops and joins it.
#[derive(Debug)]
pub struct Worker {
    name: String,
    stop: Stop,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Worker {
    /// Runs `work` inside the machine. `work` ends soon after its [`Stop`] is asked.
    pub fn start(
        name: &str,
        machine: &Machine,
        work: impl FnOnce(&Stop) -> Result<()> + Send + 'static,
    ) -> Result<Self> {
        let stop = Stop::new()?;
        let asked = stop.clone();
        let namespace = machine.namespace().share()?;
        let thread = Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                namespace.enter()?;
                work(&asked)
            })
            .with_context(|| format!("cannot start thread {name}"))?;
        Ok(Self {
            name: format!("{name} in {}", machine.name()),
            stop,
            thread: Some(thread),
        })
    }

    pub fn ask_to_stop(&self) {
        self.stop.ask();
    }

    /// Stops it and returns what it failed with.
    pub fn finish(mut self) -> Result<()> {
        self.stop.ask();
        let Some(thread) = self.thread.take() else {
            return Ok(());
        };
        match thread.join() {
            Ok(ended) => ended.with_context(|| self.name.clone()),
            Err(_) => Err(anyhow!("{} panicked", self.name)),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.ask();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
