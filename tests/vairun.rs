//! The command as its tests start it.

use std::process::ExitCode;

fn main() -> ExitCode {
    vairun_cli::main()
}
