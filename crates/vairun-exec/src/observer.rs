use std::time::Duration;

use vairun_graph::Node;
use vairun_tensor::Value;

/// What stops a run from within an observer.
pub type ObserverError = Box<dyn std::error::Error + Send + Sync>;

/// Somebody who watches a run. Nothing that it sees changes because it looks.
pub trait Observer {
    /// A graph input, before the first node.
    ///
    /// # Errors
    /// Any error ends the run.
    fn input(&mut self, name: &str, value: &Value) -> Result<(), ObserverError> {
        let _ = (name, value);
        Ok(())
    }

    /// A node has run.
    ///
    /// # Errors
    /// Any error ends the run.
    fn node(&mut self, event: &NodeEvent) -> Result<(), ObserverError>;

    /// Values for the outputs of a node of the main graph, one for each that the graph names, where it need not run: then
    /// it is not evaluated, and the observer is not told of it. What consumers are not meant to read may be anything.
    fn instead(&mut self, node: &Node) -> Option<Vec<Value>> {
        let _ = node;
        None
    }

    /// A value to give to the consumers of the tensor `name` in place of `value`. With [`Observer::instead`] the only way
    /// to change a run.
    fn substitute(&mut self, name: &str, value: &Value) -> Option<Value> {
        let _ = (name, value);
        None
    }
}

/// A node that has run.
#[derive(Debug)]
pub struct NodeEvent<'a> {
    /// Counts the events of a run from 0: execution order.
    pub index: usize,
    /// Empty in the main graph; `loop/body[3]/` for a node in the fourth pass of the attribute `body` of `loop`.
    pub scope: &'a str,
    /// The node.
    pub node: &'a Node,
    /// Name and value of each output that the graph names, in order.
    pub outputs: &'a [(&'a str, &'a Value)],
    /// How long it took; zero for what was computed in an earlier run and kept.
    pub elapsed: Duration,
}

/// A step of a fused plan that has run.
#[derive(Debug)]
pub struct StepEvent<'a> {
    /// The nodes that it stands for, in order.
    pub nodes: Vec<&'a Node>,
    /// How: `node`, `table`, `product`, …; `plain` for the nodes of a step that has no fast form, `numbers` for a coded
    /// tensor that somebody needs as numbers.
    pub form: &'static str,
    /// How long it took.
    pub elapsed: Duration,
}

/// Watches nothing.
pub struct Silent;

impl Observer for Silent {
    fn node(&mut self, _: &NodeEvent) -> Result<(), ObserverError> {
        Ok(())
    }
}
