use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use vairun::Error;

/// Why a command ends without a result, with its exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// 2: the arguments contradict each other or the model.
    Usage(anyhow::Error),
    /// 3: the model cannot be read, or has nodes that are not supported, or fails while it runs.
    Model(anyhow::Error),
    /// 4: an input or a golden cannot be used.
    Input(anyhow::Error),
    /// 4: a result cannot be written.
    Output(anyhow::Error),
}

/// What a verb gives back: whether everything was equal.
pub(crate) type Done = Result<Verdict, Failure>;

/// The verdict of a command that compares; commands that do not always pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    #[allow(dead_code)] // used by the verbs that compare
    Differs,
}

impl Failure {
    pub(crate) fn usage(text: impl Display) -> Self {
        Self::Usage(anyhow::anyhow!("{text}"))
    }

    #[allow(dead_code)] // for the verbs that compare
    pub(crate) fn input(error: impl Into<anyhow::Error>) -> Self {
        Self::Input(error.into())
    }

    pub(crate) fn output(error: impl Into<anyhow::Error>) -> Self {
        Self::Output(error.into())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Inputs(_) => Self::Input(error.into()),
            Error::Setting(_) => Self::Usage(error.into()),
            _ => Self::Model(error.into()),
        }
    }
}

/// Prints what is wrong and gives the exit code. A reader that closed the pipe has what it wanted.
pub(crate) fn exit_code(result: Done) -> ExitCode {
    let (code, error) = match result {
        Ok(Verdict::Pass) => return ExitCode::SUCCESS,
        Ok(Verdict::Differs) => return ExitCode::from(1),
        Err(Failure::Usage(error)) => (2, error),
        Err(Failure::Model(error)) => (3, error),
        Err(Failure::Input(error) | Failure::Output(error)) => (4, error),
    };
    if is_broken_pipe(&error) {
        return ExitCode::SUCCESS;
    }
    anstream::eprintln!("vairun: {error:#}");
    ExitCode::from(code)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
