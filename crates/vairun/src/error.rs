use std::path::{Path, PathBuf};

use thiserror::Error;
use vairun_exec::{ObserverError, PlanError, RunError};
use vairun_graph::OpId;
use vairun_ops::OpError;
use vairun_tensor::DType;

/// Everything that can go wrong between a file and its outputs.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read, or is no model.
    #[error("{}", unreadable(path.as_deref(), source.as_ref()))]
    Read {
        /// The file; `None` for a model that came as bytes.
        path: Option<PathBuf>,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Nodes that vairun cannot evaluate; found before anything ran.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// Inputs that do not fit the model: all of them.
    #[error("{}", .0.iter().map(InputProblem::to_string).collect::<Vec<_>>().join("\n"))]
    Inputs(Vec<InputProblem>),
    /// A node could not compute its outputs.
    #[error("node `{node}` ({op}), which makes `{tensor}`:\n  {source}\n  inputs: {inputs}")]
    Node {
        /// The node's name.
        node: String,
        /// Its operator, with its domain.
        op: OpId,
        /// Its first output.
        tensor: String,
        /// Names, types and shapes of its inputs.
        inputs: String,
        /// What is wrong.
        source: OpError,
    },
    /// An observer stopped the run.
    #[error("{0}")]
    Observer(ObserverError),
    /// A setting that cannot be met.
    #[error("{0}")]
    Setting(String),
    /// The graph breaks a rule that the front end should have refused.
    #[error("{0}")]
    Graph(String),
}

/// Every node that vairun cannot evaluate, with its operator and the reason.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(transparent)]
pub struct Unsupported(#[from] pub PlanError);

/// One input that does not fit the model.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum InputProblem {
    /// The model has no input of that name.
    #[error("no input named `{name}`; the model has {}", quoted(.known))]
    Unknown {
        /// As given.
        name: String,
        /// The inputs of the model.
        known: Vec<String>,
    },
    /// Nothing was given for an input.
    #[error("input `{name}` is missing; given were {}", quoted(.given))]
    Missing {
        /// Of the model.
        name: String,
        /// The names that were given.
        given: Vec<String>,
    },
    /// An element type other than the model's.
    #[error("input `{name}` is {got}, expected {expected}")]
    DType {
        /// Of the model.
        name: String,
        /// As given.
        got: DType,
        /// As the model declares.
        expected: DType,
    },
    /// A shape other than the model's.
    #[error("input `{name}` has shape {got:?}, expected [{expected}]")]
    Shape {
        /// Of the model.
        name: String,
        /// As given.
        got: Vec<usize>,
        /// As the model declares, symbols by name and value.
        expected: String,
    },
    /// A sequence or an optional where the model declares a tensor, or the reverse.
    #[error("input `{name}` is a {got}, expected {expected}")]
    Kind {
        /// Of the model.
        name: String,
        /// As given.
        got: &'static str,
        /// As the model declares.
        expected: String,
    },
}

fn quoted(names: &[String]) -> String {
    if names.is_empty() {
        return "none".into();
    }
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

impl From<ObserverError> for Error {
    fn from(error: ObserverError) -> Self {
        Self::Observer(error)
    }
}

impl From<RunError> for Error {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Node(failure) => {
                let vairun_exec::NodeFailure { node, op, tensor, inputs, source } = *failure;
                Self::Node { node, op, tensor, inputs, source }
            }
            RunError::Observer(error) => Self::Observer(error),
            RunError::MissingInput(name) => {
                Self::Inputs(vec![InputProblem::Missing { name, given: Vec::new() }])
            }
            other => Self::Graph(other.to_string()),
        }
    }
}

/// The file and what is wrong with it; where the reason names the file already, the reason alone.
fn unreadable(path: Option<&Path>, source: &(dyn std::error::Error + Send + Sync)) -> String {
    let place = path.map_or("model".into(), |path| path.display().to_string());
    let reason = source.to_string();
    if reason.starts_with(&place) { reason } else { format!("{place}: {reason}") }
}
