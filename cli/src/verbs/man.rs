use std::fs;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args as ArgGroup, CommandFactory};

use crate::args::{Args, Global};
use crate::failure::{Done, Failure, Verdict};

/// Writes the manual pages: vairun.1, and a page for each verb.
#[derive(ArgGroup, Debug)]
pub(crate) struct ManArgs {
    /// The folder; it is made where there is none
    folder: PathBuf,
}

pub(crate) fn man(args: &ManArgs, global: &Global) -> Done {
    let folder = &args.folder;
    let unwritable = |error| Failure::usage(format!("{}: {error}", folder.display()));
    fs::create_dir_all(folder).map_err(unwritable)?;
    clap_mangen::generate_to(Args::command(), folder).map_err(unwritable)?;
    if !global.quiet {
        writeln!(anstream::stdout(), "manual pages → {}", folder.display())?;
    }
    Ok(Verdict::Pass)
}
