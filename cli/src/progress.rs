use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::args::Global;

/// Work that takes longer is shown.
const PATIENCE: Duration = Duration::from_millis(500);

/// A line on stderr for work that takes more than half a second; nothing where stderr is no terminal.
pub(crate) struct Progress {
    bar: ProgressBar,
    ended: Arc<AtomicBool>,
}

impl Progress {
    /// Starts to wait. With `total`, [`Progress::advance`] is a step of so many.
    pub(crate) fn start(what: &'static str, total: Option<u64>, global: &Global) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let silent = global.quiet || global.no_progress || global.verbose > 0;
        if silent || !std::io::stderr().is_terminal() {
            return Self { bar: ProgressBar::hidden(), ended };
        }
        let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
        bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        let template = if total.is_some() {
            "{msg} {bar:30} {pos}/{len}"
        } else {
            "{msg} {spinner} {elapsed}"
        };
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        bar.set_message(what);
        thread::spawn({
            let (bar, ended) = (bar.clone(), Arc::clone(&ended));
            move || show_later(&bar, &ended)
        });
        Self { bar, ended }
    }

    /// One step is done.
    pub(crate) fn advance(&self) {
        self.bar.inc(1);
    }
}

fn show_later(bar: &ProgressBar, ended: &AtomicBool) {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if ended.load(Ordering::Relaxed) {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
    bar.enable_steady_tick(Duration::from_millis(100));
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        self.bar.finish_and_clear();
    }
}
