//! The command `vairun`.

use std::process::ExitCode;

fn main() -> ExitCode {
    vairun_cli::main()
}
