//! A real browser for tests: one `chromedriver` that the test starts itself, and pages that are found by
//! their `data-test` names. Nothing sleeps to wait: every step polls for what it needs until a deadline, and
//! a step that fails leaves a screenshot and says what the page showed.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use axum::http::Method;
use fantoccini::elements::Element;
use fantoccini::wd::{Capabilities, Locator, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};
use url::Url;

/// Longest wait for anything on a page; two busy cores are slow, and a failure is worth the wait.
const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(40);

const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const MAC_BROWSERS: [&str; 2] = [
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];
const INSTALL: &str = "the browser tests need chromium and chromedriver: \
     apt-get install chromium chromium-driver (macOS: brew install chromium chromedriver)";

/// How large the window is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Screen {
    /// 390 × 844 points, touch.
    Phone,
    /// 1280 × 800.
    Desktop,
}

/// The driver process; it ends with this value, and the browsers with [`Page::close`].
#[derive(Debug)]
pub(crate) struct Driver {
    _process: Child,
    address: String,
    browser: PathBuf,
}

impl Driver {
    /// Starts `chromedriver` on a port of its own choice.
    pub(crate) async fn start() -> Self {
        let browser = find_browser().expect(INSTALL);
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect(INSTALL);
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = timeout(PATIENCE, async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some((_, port)) = line.split_once("started successfully on port ") {
                    return port.trim_end_matches('.').to_owned();
                }
            }
            panic!("chromedriver ended before it listened");
        })
        .await
        .expect("chromedriver did not say its port");
        Self { _process: process, address: format!("http://127.0.0.1:{port}"), browser }
    }

    /// Opens a browser with a profile of its own. `name` goes into its screenshots.
    pub(crate) async fn open(&self, name: &'static str, screen: Screen) -> Page {
        let mut options = json!({
            "binary": self.browser,
            "args": [
                "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                "--disable-dev-shm-usage", "--window-size=1280,800",
                "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
            ],
        });
        if let Screen::Phone = screen {
            options["mobileEmulation"] = json!({
                "deviceMetrics": {"width": 390, "height": 844, "pixelRatio": 2.0, "touch": true, "mobile": true},
            });
        }
        let capabilities: Capabilities =
            [("goog:chromeOptions".to_owned(), options), ("goog:loggingPrefs".to_owned(), json!({"browser": "ALL"}))]
                .into_iter()
                .collect();
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&self.address)
            .await
            .expect("chromium did not start");
        Page { client, name }
    }
}

fn find_browser() -> Option<PathBuf> {
    let on_path = std::env::var_os("PATH")?;
    let named = std::env::split_paths(&on_path).flat_map(|dir| BROWSERS.map(|name| dir.join(name)));
    named.chain(MAC_BROWSERS.map(PathBuf::from)).find(|path| path.is_file())
}

/// `target/screenshots`, beside cargo's own directory for tests.
pub(crate) fn screenshots() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// One browser window.
#[derive(Debug)]
pub(crate) struct Page {
    client: Client,
    name: &'static str,
}

impl Page {
    pub(crate) async fn goto(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    pub(crate) async fn reload(&self) {
        self.client.refresh().await.unwrap();
    }

    /// The last visible element of this name, as soon as there is one.
    pub(crate) async fn see(&self, test: &str) -> Element {
        self.see_where(test, "", |_| true).await
    }

    /// The last visible element of this name whose text contains `text`.
    pub(crate) async fn see_text(&self, test: &str, text: &str) -> Element {
        self.see_where(test, text, |shown| shown.contains(text)).await
    }

    async fn see_where(&self, test: &str, wanted: &str, accept: impl Fn(&str) -> bool) -> Element {
        let deadline = Instant::now() + PATIENCE;
        loop {
            for element in self.all(&named(test)).await.into_iter().rev() {
                // An element may be replaced between two calls: then it is looked for again.
                let visible = element.is_displayed().await.unwrap_or(false);
                if visible && element.text().await.is_ok_and(|shown| accept(&shown)) {
                    return element;
                }
            }
            self.or_give_up(deadline, &format!("{test} showing {wanted:?}")).await;
        }
    }

    /// Waits until an element matches `selector`, for states that are attributes.
    pub(crate) async fn see_matching(&self, selector: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.all(selector).await.is_empty() {
            self.or_give_up(deadline, selector).await;
        }
    }

    /// Waits until no element of this name is visible.
    pub(crate) async fn gone(&self, test: &str) {
        self.gone_where(test, "").await;
    }

    /// Waits until no visible element of this name shows `text`.
    pub(crate) async fn gone_text(&self, test: &str, text: &str) {
        self.gone_where(test, text).await;
    }

    async fn gone_where(&self, test: &str, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.shows(test, text).await {
            self.or_give_up(deadline, &format!("{test} showing {text:?} to go away")).await;
        }
    }

    /// Whether a visible element of this name shows `text` right now.
    async fn shows(&self, test: &str, text: &str) -> bool {
        let mut any = false;
        for element in self.all(&named(test)).await {
            let is_displayed = element.is_displayed().await.unwrap_or(false);
            any |= is_displayed && element.text().await.is_ok_and(|shown| shown.contains(text));
        }
        any
    }

    /// Waits for what is shown for a moment only, while `again` does its cause again and again.
    pub(crate) async fn glimpse(&self, test: &str, text: &str, again: impl AsyncFn()) {
        let deadline = Instant::now() + PATIENCE;
        while !self.shows(test, text).await {
            self.or_give_up(deadline, &format!("{test} showing {text:?}")).await;
            again().await;
        }
    }

    pub(crate) async fn click(&self, test: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Not clickable for a moment: replaced, or covered by something that moves.
            if self.see(test).await.click().await.is_ok() {
                return;
            }
            self.or_give_up(deadline, &format!("a click on {test}")).await;
        }
    }

    /// Clicks the element of this name that shows `text`.
    pub(crate) async fn click_text(&self, test: &str, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.see_text(test, text).await.click().await.is_err() {
            self.or_give_up(deadline, &format!("a click on {test} showing {text:?}")).await;
        }
    }

    /// Clicks inside the element of this name that shows `text`.
    pub(crate) async fn click_in(&self, test: &str, text: &str, inner: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // A list that is read anew replaces its rows, also between these steps.
            let outer = self.see_text(test, text).await;
            if let Ok(inner) = outer.find(Locator::Css(&named(inner))).await
                && inner.click().await.is_ok()
            {
                return;
            }
            self.or_give_up(deadline, &format!("a click on {inner} in {test} showing {text:?}")).await;
        }
    }

    /// Types into the field of this name, after what stands there.
    pub(crate) async fn write(&self, test: &str, text: &str) {
        self.see(test).await.send_keys(text).await.unwrap();
    }

    /// Chooses a file in the input of this name, which need not be visible.
    pub(crate) async fn choose(&self, test: &str, file: &Path) {
        let input = self.client.find(Locator::Css(&named(test))).await.unwrap();
        input.send_keys(file.to_str().unwrap()).await.unwrap();
    }

    /// Waits until the picture of this name is drawn.
    pub(crate) async fn see_picture(&self, test: &str) {
        let deadline = Instant::now() + PATIENCE;
        let script = "return document.querySelector(arguments[0])?.naturalWidth ?? 0";
        while self.client.execute(script, vec![json!(named(test))]).await.unwrap() == json!(0) {
            self.or_give_up(deadline, &format!("the picture {test}")).await;
        }
    }

    pub(crate) async fn text(&self, test: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // It may be replaced between the two steps.
            if let Ok(text) = self.see(test).await.text().await {
                return text;
            }
            self.or_give_up(deadline, test).await;
        }
    }

    /// How many elements of this name there are.
    pub(crate) async fn count(&self, test: &str) -> usize {
        self.all(&named(test)).await.len()
    }

    /// Waits until the title of the window satisfies `accept`.
    pub(crate) async fn title(&self, accept: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !accept(&self.client.title().await.unwrap()) {
            self.or_give_up(deadline, "another title").await;
        }
    }

    /// Looks at the window that was just opened, once its address has `part`, and closes it. Answers the address.
    pub(crate) async fn second_window(&self, part: &str, moment: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let first = self.client.window().await.unwrap();
        let second = loop {
            let windows = self.client.windows().await.unwrap();
            if let Some(second) = windows.into_iter().find(|window| *window != first) {
                break second;
            }
            self.or_give_up(deadline, "a second window").await;
        };
        self.client.switch_to_window(second).await.unwrap();
        let address = loop {
            let address = self.client.current_url().await.unwrap().to_string();
            if address.contains(part) {
                break address;
            }
            self.or_give_up(deadline, part).await;
        };
        self.screenshot(moment).await;
        self.client.close_window().await.unwrap();
        self.client.switch_to_window(first).await.unwrap();
        address
    }

    /// Keeps a picture in `target/screenshots`.
    pub(crate) async fn screenshot(&self, moment: &str) {
        let png = self.client.screenshot().await.unwrap();
        std::fs::write(screenshots().join(format!("{}-{moment}.png", self.name)), png).unwrap();
    }

    /// What the page did wrong by its own fault: uncaught exceptions, breaches of its content policy.
    pub(crate) async fn faults(&self) -> Vec<String> {
        let entries = self.client.issue_cmd(ReadLog).await.unwrap();
        let entries = entries.as_array().cloned().unwrap_or_default();
        entries
            .iter()
            .filter(|entry| matches!(entry["source"].as_str(), Some("javascript" | "security")))
            .filter(|entry| entry["level"] == "SEVERE")
            .map(|entry| entry["message"].to_string())
            .collect()
    }

    pub(crate) async fn close(self) {
        self.client.close().await.ok();
    }

    async fn all(&self, selector: &str) -> Vec<Element> {
        self.client.find_all(Locator::Css(selector)).await.unwrap_or_default()
    }

    async fn or_give_up(&self, deadline: Instant, wanted: &str) {
        if Instant::now() < deadline {
            return sleep(POLL).await;
        }
        self.screenshot("failed").await;
        let body = self.client.find(Locator::Css("body")).await.unwrap().text().await.unwrap_or_default();
        let (name, faults) = (self.name, self.faults().await);
        panic!("{name} never showed {wanted}; the page says:\n{body}\nfaults: {faults:?}");
    }
}

fn named(test: &str) -> String {
    format!("[data-test=\"{test}\"]")
}

/// Reads and empties the browser's console.
#[derive(Debug)]
struct ReadLog;

impl WebDriverCompatibleCommand for ReadLog {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _url: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({"type": "browser"}).to_string()))
    }
}
