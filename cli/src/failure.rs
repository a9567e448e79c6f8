use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use vairun::tensor::files::{FileError, FileErrorKind};
use vairun::{Error, InputProblem, ObserverError};
use vairun_compare::GoldenError;

/// Why a command ends without a result.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    /// What the user reads.
    pub(crate) message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The arguments contradict each other or the model, or a result cannot be written where they say.
    Usage = 2,
    /// The model cannot be read, or has nodes that are not supported, or fails while it runs.
    Model = 3,
    /// An input or a golden cannot be used.
    Input = 4,
    /// The reader of the results has gone away, as `head` does: it has what it wanted.
    Gone = 0,
}

/// What a verb gives back: whether everything was equal.
pub(crate) type Done = Result<Verdict, Failure>;

/// The verdict of a command that compares; commands that do not always pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    Differs,
}

impl Failure {
    pub(crate) fn usage(text: impl Display) -> Self {
        Self { kind: Kind::Usage, message: text.to_string() }
    }

    pub(crate) fn model(text: impl Display) -> Self {
        Self { kind: Kind::Model, message: text.to_string() }
    }

    pub(crate) fn input(text: impl Display) -> Self {
        Self { kind: Kind::Input, message: text.to_string() }
    }

    /// What an observer of a run said: a golden that cannot be read, or a dump that cannot be written.
    pub(crate) fn from_observer(error: &ObserverError) -> Self {
        if error.is::<GoldenError>() { Self::input(error) } else { Self::usage(error) }
    }

    /// The same with what else is wrong; the exit code is that of the first.
    pub(crate) fn and(mut self, other: Option<Self>) -> Self {
        if let Some(other) = other {
            self.message += &format!("\nvairun: {}", other.message);
        }
        self
    }

    /// All of them as one, where there are any.
    pub(crate) fn all(failures: impl IntoIterator<Item = Self>) -> Option<Self> {
        failures.into_iter().reduce(|first, next| first.and(Some(next)))
    }

    /// The same with an advice on a line of its own.
    pub(crate) fn help(mut self, advice: impl Display) -> Self {
        self.message += &format!("\n  help: {advice}");
        self
    }
}

/// Of standard output.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let gone = error.kind() == io::ErrorKind::BrokenPipe;
        Self { kind: if gone { Kind::Gone } else { Kind::Usage }, message: error.to_string() }
    }
}

/// Of a file that was to be written; one that was to be read is made an input by [`Failure::input`].
impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        match error.kind {
            FileErrorKind::Io(ref io) if io.kind() == io::ErrorKind::BrokenPipe => {
                Self { kind: Kind::Gone, message: String::new() }
            }
            _ => Self::usage(error),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Inputs(ref problems) if problems.iter().any(has_channels_elsewhere) => {
                Self::input(error)
                    .help("--layout nchw feeds an .xmodel with images as an ONNX model has them")
            }
            Error::Inputs(_) => Self::input(error),
            Error::Observer(error) => Self::from_observer(&error),
            Error::Setting(_) => Self::usage(error),
            _ => Self::model(error),
        }
    }
}

/// Whether an input has its channels second where the model has them last.
fn has_channels_elsewhere(problem: &InputProblem) -> bool {
    let InputProblem::Shape { got, expected, .. } = problem else { return false };
    let mut last = got.clone();
    if last.len() > 3 {
        last[1..].rotate_left(1);
    }
    let last: Vec<_> = last.iter().map(ToString::to_string).collect();
    got.len() > 3 && last.join(", ") == *expected
}

/// Prints what is wrong and gives the exit code.
pub(crate) fn exit_code(result: Done) -> ExitCode {
    match result {
        Ok(Verdict::Pass) => ExitCode::SUCCESS,
        Ok(Verdict::Differs) => ExitCode::from(1),
        Err(failure) => {
            if failure.kind != Kind::Gone {
                anstream::eprintln!("vairun: {}", failure.message);
            }
            ExitCode::from(failure.kind as u8)
        }
    }
}

/// Help, the version, or what is wrong with the arguments.
pub(crate) fn told(error: &clap::Error) -> ExitCode {
    let result = error.print();
    match (error.use_stderr(), result) {
        (true, _) => ExitCode::from(Kind::Usage as u8),
        (false, Err(error)) => exit_code(Err(error.into())),
        (false, Ok(())) => ExitCode::SUCCESS,
    }
}
