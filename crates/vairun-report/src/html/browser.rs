//! The page in a real browser: what the script does, and that nothing complains. Skipped, with a word, where there is
//! no Chromium.

use std::path::Path;
use std::process::Command;

use super::html;
use crate::fixture;

/// Options that keep a browser from the network and from the user's profile.
const OPTIONS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--enable-logging=stderr",
    "--window-size=1280,900",
    "--virtual-time-budget=8000",
    "--dump-dom",
];

/// What the page looked like in the end, and what the browser said.
struct Visit {
    page: String,
    said: String,
}

/// `None`, with a word, where there is no Chromium.
#[allow(clippy::print_stdout)] // a skipped test says so
fn visit(page: &str) -> Option<Visit> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.html");
    std::fs::write(&path, page).unwrap();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let output = names.iter().find_map(|name| open(name, folder.path(), &path));
    if output.is_none() {
        println!("skipped: there is no Chromium");
    }
    output
}

fn open(browser: &str, folder: &Path, page: &Path) -> Option<Visit> {
    let mut command = Command::new(browser);
    command.args(OPTIONS).arg(format!("--user-data-dir={}", folder.join("profile").display()));
    let output = command.arg(format!("file://{}", page.display())).output().ok()?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Some(Visit { page: text(output.stdout), said: text(output.stderr) })
}

impl Visit {
    /// Asserts that the script found what it expected, and that the console is empty.
    #[track_caller]
    fn succeeds(&self) {
        let results = self.page.split("id=\"results\">").nth(1);
        let results = results.and_then(|rest| rest.split("</pre>").next());
        let results = results.unwrap_or_else(|| panic!("no results: {}", self.said));
        assert!(!results.contains("FAILED"), "{results}");
        assert!(results.contains("end"), "{results}");
        let complaints: Vec<_> =
            self.said.lines().filter(|line| line.contains(":CONSOLE")).collect();
        assert!(complaints.is_empty(), "{complaints:?}");
    }
}

/// The page with a script that uses it like a reader.
fn used(page: &str, script: &str) -> String {
    const LISTENER: &str = "<head><script>window.results = [];
        addEventListener('error', (event) => results.push('FAILED ' + event.message));
        addEventListener('securitypolicyviolation', (event) => results.push('FAILED ' + event.blockedURI));
        window.check = (what, got, want) =>
          results.push(got === want ? 'ok ' + what : `FAILED ${what}: ${got}, expected ${want}`);
        window.end = () => {
          const pre = document.createElement('pre');
          pre.id = 'results';
          pre.textContent = [...results, 'end'].join('\\n');
          document.body.append(pre);
        };</script>";
    let page = page.replacen("<head>", LISTENER, 1);
    page.replace("</body>", &format!("<script>{script}</script></body>"))
}

const READER: &str = include_str!("reader.js");

#[test]
fn the_table_sorts_filters_and_opens() {
    let Some(visit) = visit(&used(&html(&fixture::failing()), READER)) else { return };
    visit.succeeds();
}

#[test]
fn a_passing_page_has_nothing_to_complain_about() {
    let Some(visit) = visit(&used(&html(&fixture::passing()), "end();")) else { return };
    visit.succeeds();
}

#[test]
fn the_page_fits_a_phone() {
    let mut report = fixture::failing();
    let name = "/backbone/layer1/layer1.0/conv1/input_quantizer/QuantizeLinear_output_0";
    report.records[1].name = name.into();
    report.around = None;
    let page = html(&report).replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    let frame = format!(
        "<html><head></head><body><iframe id=\"phone\" width=\"390\" height=\"800\" srcdoc=\"{page}\"></iframe></body></html>"
    );
    let script = "const phone = document.getElementById('phone');
        addEventListener('load', () => setTimeout(() => {
          phone.contentDocument.querySelector('#t1 .open').click();
          const root = phone.contentDocument.documentElement;
          check('width', root.scrollWidth <= 390, true);
          end();
        }, 500));";
    let Some(visit) = visit(&used(&frame, script)) else { return };
    visit.succeeds();
}
