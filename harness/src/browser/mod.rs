//! A real browser, headless, driven by the WebDriver protocol: Chromium and its `chromedriver`.

mod wire;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::ports;
use crate::process::Process;

/// How long the driver may take to start.
const START: Duration = Duration::from_secs(30);
/// What a page may take to come to something.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);
/// The key under which WebDriver names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A window with a profile of its own. Ends with its driver.
pub struct Browser {
    port: u16,
    session: String,
    _driver: Process,
}

/// A program in the `PATH`.
fn found(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let places = std::env::split_paths(&path).collect::<Vec<_>>();
    names
        .iter()
        .flat_map(|name| places.iter().map(move |place| place.join(name)))
        .find(|f| f.is_file())
}

impl Browser {
    /// Why there is none here; `None` where there is one.
    pub fn unavailable() -> Option<String> {
        let missing = |what: &str, package: &str| {
            format!("there is no {what}: apt-get install --no-install-recommends {package}")
        };
        match (found(&["chromium", "chromium-browser"]), found(&["chromedriver"])) {
            (Some(_), Some(_)) => None,
            (None, _) => Some(missing("chromium", "chromium")),
            (_, None) => Some(missing("chromedriver", "chromium-driver")),
        }
    }

    /// A new window. `dir` holds its profile.
    ///
    /// # Errors
    /// There is no browser, or it does not start.
    pub fn start(dir: &Path) -> anyhow::Result<Self> {
        let binary = found(&["chromium", "chromium-browser"]).context("there is no chromium")?;
        let driver = found(&["chromedriver"]).context("there is no chromedriver")?;
        let port = *ports::free(1)?.first().context("no port")?;
        let args = [format!("--port={port}")];
        let driver = Process::start("chromedriver", &driver, &args, dir, None::<Arc<_>>)?;
        driver.wait_for("started successfully", START)?;
        let profile = dir.join("profile");
        let args = [
            "--headless".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-quic".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--lang=pt-BR".to_owned(),
            format!("--user-data-dir={}", profile.display()),
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            // Certificates of an authority that tests have made.
            "acceptInsecureCerts": true,
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": { "binary": binary, "args": args },
        } } });
        let made = wire::call(port, "POST", "/session", Some(&wanted))?;
        let session = made["sessionId"].as_str().context("no session")?.to_owned();
        Ok(Self { port, session, _driver: driver })
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        wire::call(self.port, method, &format!("/session/{}/{path}", self.session), body)
    }

    fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call("POST", path, Some(body))
    }

    /// # Errors
    /// Nobody answers there.
    pub fn open(&self, url: &str) -> anyhow::Result<()> {
        self.post("url", &json!({ "url": url })).map(drop)
    }

    /// What a function's body returns in the page.
    ///
    /// # Errors
    /// It throws.
    pub fn run(&self, script: &str, args: &[&str]) -> anyhow::Result<Value> {
        self.post("execute/sync", &json!({ "script": script, "args": args }))
    }

    /// The whole page as it reads.
    ///
    /// # Errors
    /// There is none.
    pub fn text(&self) -> anyhow::Result<String> {
        let text = self.run("return document.body.innerText", &[])?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// # Errors
    /// It did not come to that in time.
    pub fn until(
        &self,
        what: &str,
        is_so: impl Fn(&Self) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self)? {
            if Instant::now() >= deadline {
                bail!("in vain: {what}; the page:\n{}\nits log: {:?}", self.text()?, self.log()?);
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// # Errors
    /// The page does not come to say that.
    pub fn until_said(&self, text: &str) -> anyhow::Result<()> {
        self.until(text, |page| Ok(page.text()?.contains(text)))
    }

    /// # Errors
    /// There is none that is shown.
    pub fn until_there(&self, selector: &str) -> anyhow::Result<()> {
        self.until(selector, |page| page.is_there(selector))
    }

    /// Whether such an element is shown.
    ///
    /// # Errors
    /// There is no page.
    pub fn is_there(&self, selector: &str) -> anyhow::Result<bool> {
        let script =
            "return [...document.querySelectorAll(arguments[0])].some((e) => e.checkVisibility())";
        Ok(self.run(script, &[selector])? == Value::Bool(true))
    }

    fn element(&self, selector: &str) -> anyhow::Result<String> {
        self.until_there(selector)?;
        self.found(selector)
    }

    fn found(&self, selector: &str) -> anyhow::Result<String> {
        let found = self.post("element", &json!({ "using": "css selector", "value": selector }))?;
        found[ELEMENT].as_str().map(str::to_owned).context("no element")
    }

    /// As a person with a mouse does, once it is there.
    ///
    /// # Errors
    /// It cannot be clicked.
    pub fn click(&self, selector: &str) -> anyhow::Result<()> {
        let element = self.element(selector)?;
        self.post(&format!("element/{element}/click"), &json!({})).map(drop)
    }

    /// Types instead of what was there.
    ///
    /// # Errors
    /// It takes no text.
    pub fn fill(&self, selector: &str, text: &str) -> anyhow::Result<()> {
        let element = self.element(selector)?;
        self.post(&format!("element/{element}/clear"), &json!({}))?;
        self.post(&format!("element/{element}/value"), &json!({ "text": text })).map(drop)
    }

    /// Of a list, which shows its entries only when it is open.
    ///
    /// # Errors
    /// There is no such entry.
    pub fn choose(&self, selector: &str, value: &str) -> anyhow::Result<()> {
        let entry = format!("{selector} option[value='{value}']");
        let exists = "return document.querySelector(arguments[0]) !== null";
        self.until(&entry, |page| Ok(page.run(exists, &[&entry])? == Value::Bool(true)))?;
        let element = self.found(&entry)?;
        self.post(&format!("element/{element}/click"), &json!({})).map(drop)
    }

    /// The inner width and height of the window, as of a telephone's.
    ///
    /// # Errors
    /// The browser refuses.
    pub fn resize(&self, width: u32, height: u32) -> anyhow::Result<()> {
        let metrics = json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false,
        } });
        self.post("goog/cdp/execute", &metrics).map(drop)
    }

    /// What the console has got since the last look: level, source and text.
    ///
    /// # Errors
    /// There is no page.
    pub fn log(&self) -> anyhow::Result<Vec<(String, String, String)>> {
        let entries = self.post("se/log", &json!({ "type": "browser" }))?;
        let word = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        let entries = entries.as_array().cloned().unwrap_or_default();
        Ok(entries
            .iter()
            .map(|e| (word(e, "level"), word(e, "source"), word(e, "message")))
            .collect())
    }

    /// What is seen, as PNG in base64.
    ///
    /// # Errors
    /// There is no page.
    pub fn picture(&self) -> anyhow::Result<String> {
        let picture = self.call("GET", "screenshot", None)?;
        picture.as_str().map(str::to_owned).context("no picture")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver, killed after it, would leave the browser behind.
        if let Err(error) = self.call("DELETE", "", None) {
            tracing::debug!(%error, "the browser did not end");
        }
    }
}
