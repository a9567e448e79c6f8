//! Bodies that are functions.

use vairun_graph::{Attribute, Graph};
use vairun_tensor::{DType, Value};

use crate::error::OpError;
use crate::operator::{Context, Outputs};

/// A body with so many inputs, and outputs of these types.
pub(crate) fn body(inputs: usize, outputs: &[DType]) -> Attribute {
    let mut graph = Graph::default();
    for i in 0..inputs {
        let id = graph.add_value(format!("in{i}"));
        graph.inputs.push(id);
    }
    for (i, &dtype) in outputs.iter().enumerate() {
        let id = graph.add_value(format!("out{i}"));
        graph.values[id.index()].dtype = Some(dtype);
        graph.values[id.index()].shape = Some(vec![]);
        graph.outputs.push(id);
    }
    Attribute::Graph(Box::new(graph))
}

/// Runs this function for any body.
pub(crate) struct Closure<F>(pub(crate) F);

impl<F: FnMut(&str, Vec<Value>) -> Outputs> Context for Closure<F> {
    fn run_body(&mut self, body: &str, inputs: Vec<Value>) -> Result<Outputs, OpError> {
        Ok((self.0)(body, inputs))
    }
}
