use std::io::Write;

use clap::{Args as ArgGroup, CommandFactory};
use clap_complete::Shell;

use crate::args::Args;
use crate::failure::{Done, Verdict};

/// Prints the completions of a shell.
///
/// For bash: `vairun completions bash > ~/.local/share/bash-completion/completions/vairun`
#[derive(ArgGroup, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub(crate) fn completions(args: &CompletionsArgs) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "vairun", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(Verdict::Pass)
}
