//! The command line: what users see, what they can pipe, how it ends.

mod check;
mod convert;
mod dump;
mod golden;
mod hostile;
mod inputs;
mod inspect;
#[cfg(unix)] // it links files of the repository into a temporary folder
mod readme;
mod reports;
mod run;
mod xmodel;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::material::repository;

/// A temporary folder in which the command is run.
pub(crate) struct Scene {
    folder: TempDir,
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    /// The command in this folder, without the caller's environment.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vairun-under-test"));
        command.current_dir(self.folder.path()).args(args).stdin(Stdio::null());
        for variable in ["XLNX_GOLDEN_DIR", "VAIRUN_LOG", "NO_COLOR", "CLICOLOR_FORCE", "CLICOLOR"]
        {
            command.env_remove(variable);
        }
        command
    }

    /// Runs the command with the words of `line`; `{digits}` is the folder of the digits network.
    pub(crate) fn run(&self, line: &str) -> Ended {
        let digits = digits("");
        let words = line.split(' ').map(|word| word.replace("{digits}", &digits));
        Ended::from(self.command(words).output().unwrap())
    }
}

/// A file of the digits network.
pub(crate) fn digits(file: &str) -> String {
    let folder = repository().join("testdata/digits");
    if file.is_empty() { folder } else { folder.join(file) }.to_string_lossy().into_owned()
}

/// A `NAME=PATH` argument.
pub(crate) fn named(name: &str, path: &Path) -> String {
    format!("{name}={}", path.display())
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("the command writes UTF-8");
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

impl Ended {
    /// Asserts that it succeeded; gives what it printed.
    #[track_caller]
    pub(crate) fn succeeds(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self.stdout
    }

    /// Asserts that it failed with that code; gives what it said.
    #[track_caller]
    pub(crate) fn fails(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        assert!(
            self.stderr.starts_with("vairun: ") || self.stderr.starts_with("error: "),
            "{}",
            self.stderr
        );
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self.stderr
    }
}
