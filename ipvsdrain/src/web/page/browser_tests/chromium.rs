//! A headless Chromium, spoken to over its debugging pipe: messages of JSON, each ended by a zero byte.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// Nothing takes so long but what never comes.
const LONGEST: Duration = Duration::from_mins(1);

pub(super) struct Chromium {
    // In this order they end: the browser before its folder.
    _process: Child,
    _profile: TempDir,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    calls: u64,
    session: String,
    /// What it said unasked: a method and its parameters.
    pub(super) events: Vec<(String, Value)>,
}

impl Chromium {
    /// Starts one with an empty page.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let profile = tempfile::tempdir()?;
        let mut process = Command::new("sh")
            // The pipe is descriptors 3 and 4 of the browser.
            .args([
                "-c",
                "exec chromium \"$@\" 3<&0 4>&1 </dev/null >&2 2>/dev/null",
                "chromium",
            ])
            .args([
                "--headless",
                "--remote-debugging-pipe",
                "--no-sandbox",
                "--disable-gpu",
            ])
            .args(["--hide-scrollbars", "--no-first-run", "--disable-dev-shm-usage"])
            .args(["--disable-background-networking", "--disable-component-update"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start a shell")?;
        let to = process.stdin.take().context("no pipe to the browser")?;
        let from = process.stdout.take().context("no pipe from the browser")?;
        let mut browser = Self {
            _process: process,
            _profile: profile,
            to,
            from: BufReader::new(from),
            calls: 0,
            session: String::new(),
            events: Vec::new(),
        };
        let target = browser
            .call("Target.createTarget", json!({"url": "about:blank"}))
            .await?;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", attach).await?;
        browser.session = attached["sessionId"].as_str().context("no session")?.to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({})).await?;
        }
        Ok(browser)
    }

    pub(super) async fn call(&mut self, method: &str, params: Value) -> anyhow::Result<Value> {
        timeout(LONGEST, self.exchange(method, params))
            .await
            .with_context(|| format!("the browser does not answer {method}"))?
    }

    async fn exchange(&mut self, method: &str, params: Value) -> anyhow::Result<Value> {
        self.calls += 1;
        let mut message = json!({"id": self.calls, "method": method, "params": params});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let mut bytes = serde_json::to_vec(&message)?;
        bytes.push(0);
        self.to.write_all(&bytes).await.context("the browser is gone")?;
        loop {
            let answer = self.hear().await?;
            if answer["id"] == json!(self.calls) {
                ensure!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return Ok(answer["result"].clone());
            }
        }
    }

    /// The next message; what nobody asked for is kept.
    async fn hear(&mut self) -> anyhow::Result<Value> {
        let mut bytes = Vec::new();
        self.from.read_until(0, &mut bytes).await?;
        ensure!(
            bytes.pop() == Some(0),
            "Chromium does not run: `cargo xtask page` installs it (Debian's package chromium)"
        );
        let message: Value = serde_json::from_slice(&bytes)?;
        if let Some(method) = message["method"].as_str() {
            self.events.push((method.to_owned(), message["params"].clone()));
        }
        Ok(message)
    }

    pub(super) async fn open(&mut self, url: &str) -> anyhow::Result<()> {
        self.events.clear();
        self.call("Page.navigate", json!({"url": url})).await?;
        let loaded = async {
            while !self
                .events
                .iter()
                .any(|(method, _)| method == "Page.loadEventFired")
            {
                self.hear().await?;
            }
            anyhow::Ok(())
        };
        timeout(LONGEST, loaded).await.context("the page does not load")?
    }

    /// How it is looked at.
    pub(super) async fn look(
        &mut self,
        width: u32,
        height: u32,
        is_phone: bool,
        scheme: &str,
    ) -> anyhow::Result<()> {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone});
        self.call("Emulation.setDeviceMetricsOverride", metrics).await?;
        let features = json!([
            {"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"},
        ]);
        self.call("Emulation.setEmulatedMedia", json!({"features": features}))
            .await?;
        Ok(())
    }

    /// What an expression is in the page, its promise kept.
    pub(super) async fn value(&mut self, expression: &str) -> anyhow::Result<Value> {
        let asked = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let answer = self.call("Runtime.evaluate", asked).await?;
        if !answer["exceptionDetails"].is_null() {
            bail!("{expression:.200}: {}", answer["exceptionDetails"]);
        }
        Ok(answer["result"]["value"].clone())
    }

    pub(super) async fn text(&mut self) -> anyhow::Result<String> {
        let text = self.value("document.body.innerText").await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Until an expression is true; looked at whenever the page changes.
    pub(super) async fn until(&mut self, expression: &str) -> anyhow::Result<()> {
        let promise = format!(
            "new Promise((resolve) => {{
               const check = () => {{ if ({expression}) {{ watch.disconnect(); resolve(true); }} }};
               const watch = new MutationObserver(check);
               watch.observe(document, {{subtree: true, childList: true, characterData: true, attributes: true}});
               check();
             }})"
        );
        let came = self.value(&promise).await;
        if came.is_err() {
            bail!(
                "this never came: {expression}; the page says:\n{}",
                self.text().await?
            );
        }
        Ok(())
    }

    /// As it is looked at, from top to bottom: PNG.
    pub(super) async fn picture(&mut self) -> anyhow::Result<Vec<u8>> {
        let asked = json!({"format": "png", "captureBeyondViewport": true});
        let answer = self.call("Page.captureScreenshot", asked).await?;
        Ok(unbase64(answer["data"].as_str().context("no picture")?))
    }
}

fn unbase64(text: &str) -> Vec<u8> {
    let six = |letter: u8| match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let letters: Vec<u8> = text.bytes().filter(|letter| *letter != b'=').collect();
    let quads = letters.chunks(4).flat_map(|quad| {
        let bits = quad
            .iter()
            .fold(0_u32, |bits, letter| bits << 6 | u32::from(six(*letter)));
        let bits = bits << (6 * (4 - quad.len()));
        bits.to_be_bytes().into_iter().skip(1).take(quad.len() - 1)
    });
    quads.collect()
}
