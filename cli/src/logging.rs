use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// Sends spans to stderr: `VAIRUN_LOG` has the last word, else -v and -vv. Without them nobody listens.
pub(crate) fn start(verbose: u8) {
    let filter = match (std::env::var("VAIRUN_LOG"), verbose) {
        (Ok(filter), _) => EnvFilter::new(filter),
        (Err(_), 0) => return,
        (Err(_), 1) => EnvFilter::new("vairun=info"),
        (Err(_), _) => {
            EnvFilter::new("vairun=debug,vairun_exec=debug,vairun_tract=debug,vairun_onnx=debug")
        }
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_span_events(FmtSpan::CLOSE)
        .without_time()
        .init();
}
