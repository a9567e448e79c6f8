use std::collections::BTreeMap;

use thiserror::Error;
use vairun_graph::OpId;
use vairun_ops::{BuildError, OpError};

use crate::observer::ObserverError;

/// A model that cannot be run as it stands: every problem, found before anything ran.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{}", list(.problems))]
pub struct PlanError {
    /// One for each node, in the order of the file; nodes of bodies included.
    pub problems: Vec<NodeProblem>,
}

/// One node that cannot be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeProblem {
    /// The node's name.
    pub node: String,
    /// Its operator.
    pub op: OpId,
    /// What is wrong, and what would be accepted; `None`: nobody has the operator.
    pub reason: Option<BuildError>,
}

/// Nodes of one operator and one reason that are named before the rest is only counted.
const NAMED: usize = 3;

fn list(problems: &[NodeProblem]) -> String {
    let mut groups: BTreeMap<(&OpId, String), Vec<&str>> = BTreeMap::new();
    for problem in problems {
        let reason = problem
            .reason
            .as_ref()
            .map_or_else(|| "no such operator".to_owned(), BuildError::to_string);
        groups.entry((&problem.op, reason)).or_default().push(&problem.node);
    }
    let mut text = format!("{} nodes cannot be run:", problems.len());
    for ((op, reason), nodes) in groups {
        let names: Vec<_> = nodes.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
        let more = if nodes.len() > NAMED {
            format!(" and {} more", nodes.len() - NAMED)
        } else {
            String::new()
        };
        text += &format!(
            "\n  {op} (opset {}) ×{}: {reason}\n    at {}{more}",
            op.opset,
            nodes.len(),
            names.join(", ")
        );
    }
    text
}

/// A run that ended early.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// A node could not compute its outputs.
    #[error(transparent)]
    Node(Box<NodeFailure>),
    /// The file of the model was changed while it was open.
    #[error("the file of a constant: {0}")]
    File(#[source] std::io::Error),
    /// A node gave fewer outputs than the graph reads.
    #[error("node `{node}` gave {got} outputs, `{tensor}` is not among them")]
    MissingOutput {
        /// The node's name.
        node: String,
        /// The output that is missing.
        tensor: String,
        /// How many outputs it gave.
        got: usize,
    },
    /// The caller gave another number of inputs than the graph has.
    #[error("{got} inputs, expected {expected}")]
    InputCount {
        /// Given.
        got: usize,
        /// Of the graph.
        expected: usize,
    },
    /// An input that the caller left out and that has no default.
    #[error("no value for input `{0}`")]
    MissingInput(String),
    /// An observer stopped the run.
    #[error(transparent)]
    Observer(ObserverError),
}

/// A node that could not compute its outputs.
#[derive(Debug, Error)]
#[error("node `{node}` ({op}), which makes `{tensor}`:\n  {source}\n  inputs: {inputs}")]
pub struct NodeFailure {
    /// The node's name; for a node of a body, after the names of the nodes around it.
    pub node: String,
    /// Its operator.
    pub op: OpId,
    /// Its first output.
    pub tensor: String,
    /// Names, types and shapes of its inputs.
    pub inputs: String,
    /// What the operator says.
    pub source: OpError,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_grouped_by_operator_and_reason() {
        let problem = |node: &str, reason| NodeProblem {
            node: node.into(),
            op: OpId::new("my", "Op", 1),
            reason,
        };
        let unread = BuildError::MissingAttribute("axis".into());
        let error = PlanError {
            problems: vec![problem("a", None), problem("b", Some(unread)), problem("c", None)],
        };
        let text = error.to_string();
        assert!(text.starts_with("3 nodes cannot be run:"), "{text}");
        assert!(text.contains("my::Op (opset 1) ×2: no such operator\n    at `a`, `c`"), "{text}");
        assert!(text.contains("×1: attribute `axis` is missing\n    at `b`"), "{text}");
    }
}
