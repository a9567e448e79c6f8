use std::sync::OnceLock;

use vairun_graph::{Graph, Node, ValueId};
use vairun_ops::{Inputs, Known, NoBodies, NodeSpec, OpError, Operator};
use vairun_tensor::{DType, Tensor, Value};

use crate::plan::{Kernel, Options};

/// Elements up to which a constant is computed when the plan is made: parameters are, weights wait for the first run.
const EAGER_ELEMENTS: usize = 1 << 14;

/// What is known of each value of a graph before it runs.
pub(crate) struct Constants {
    known: Vec<Option<Tensor>>,
    fixed: Vec<bool>,
    dtypes: Vec<Option<DType>>,
}

/// What is known of a value that a body captures: a weight outside of it is one inside too.
#[derive(Clone, Default)]
pub(crate) struct Captured {
    dtype: Option<DType>,
    known: Option<Tensor>,
    fixed: bool,
}

impl Constants {
    pub(crate) fn of(graph: &Graph) -> Self {
        let mut constants = Self {
            known: vec![None; graph.values.len()],
            fixed: vec![false; graph.values.len()],
            // Only what the caller promises: exporters declare wrong types for inner values.
            dtypes: vec![None; graph.values.len()],
        };
        graph.inputs.iter().for_each(|&id| constants.dtypes[id.index()] = graph.value(id).dtype);
        for (&id, tensor) in &graph.initializers {
            constants.dtypes[id.index()] = Some(tensor.dtype());
            // An initializer that is also an input is a default that the caller may replace.
            if !graph.inputs.contains(&id) {
                constants.set_known(id, tensor.clone());
            }
        }
        constants
    }

    fn set_known(&mut self, id: ValueId, tensor: Tensor) {
        self.dtypes[id.index()] = Some(tensor.dtype());
        self.fixed[id.index()] = true;
        self.known[id.index()] = Some(tensor);
    }

    /// What the graph around a body knows of a value.
    pub(crate) fn captured(&self, id: ValueId) -> Captured {
        Captured { dtype: self.dtype(id), known: self.known(id).cloned(), fixed: self.is_fixed(id) }
    }

    /// Takes over what the graph around this body knows of a value.
    pub(crate) fn capture(&mut self, id: ValueId, captured: &Captured) {
        let Captured { dtype, known, fixed } = captured;
        self.dtypes[id.index()] = *dtype;
        self.fixed[id.index()] = *fixed;
        self.known[id.index()].clone_from(known);
    }

    pub(crate) fn known(&self, id: ValueId) -> Option<&Tensor> {
        self.known[id.index()].as_ref()
    }

    /// Whether the value is the same in every run, known already or not.
    pub(crate) fn is_fixed(&self, id: ValueId) -> bool {
        self.fixed[id.index()]
    }

    pub(crate) fn dtype(&self, id: ValueId) -> Option<DType> {
        self.dtypes[id.index()]
    }

    pub(crate) fn spec<'a>(
        &'a self,
        graph: &'a Graph,
        node: &'a Node,
        options: &Options,
    ) -> NodeSpec<'a> {
        let known = |id: ValueId| Known {
            dtype: self.dtype(id),
            constant: self.known(id),
            fixed: self.fixed[id.index()],
        };
        let Options { permissive, isa, .. } = *options;
        NodeSpec { permissive, isa, ..NodeSpec::new(graph, node, known) }
    }

    /// Asks the operator for the types of its outputs.
    pub(crate) fn propagate_dtypes(
        &mut self,
        node: &Node,
        operator: &dyn Operator,
    ) -> Result<(), OpError> {
        let inputs: Vec<_> =
            node.inputs.iter().map(|id| id.and_then(|id| self.dtype(id))).collect();
        let outputs = operator.output_dtypes(&inputs)?;
        for (id, dtype) in node.outputs.iter().zip(outputs) {
            if let Some(id) = id {
                self.dtypes[id.index()] = dtype;
            }
        }
        Ok(())
    }

    /// Decides when a node is evaluated, and evaluates it if that is now.
    pub(crate) fn evaluate(&mut self, node: &Node, operator: Box<dyn Operator>) -> Kernel {
        let fixed = operator.is_pure() && node.reads().all(|id| self.fixed[id.index()]);
        if !fixed {
            return Kernel::Each(operator);
        }
        if let Some(outputs) = self.evaluate_now(node, operator.as_ref()) {
            for (id, tensor) in node.outputs.iter().zip(outputs) {
                if let Some(id) = id {
                    self.set_known(*id, tensor);
                }
            }
            return Kernel::Known;
        }
        node.writes().for_each(|id| self.fixed[id.index()] = true);
        Kernel::Once(operator, OnceLock::new())
    }

    /// The outputs of a small node; `None` where it is large, has bodies, or fails: then the run says so.
    fn evaluate_now(&self, node: &Node, operator: &dyn Operator) -> Option<Vec<Tensor>> {
        if node.bodies().next().is_some() {
            return None;
        }
        let inputs: Option<Vec<Option<Value>>> = node
            .inputs
            .iter()
            .map(|id| id.map_or(Some(None), |id| Some(Some(self.known(id)?.clone().into()))))
            .collect();
        let inputs = inputs?;
        let elements = |value: &Value| value.as_tensor().map_or(0, Tensor::len);
        if inputs.iter().flatten().map(elements).sum::<usize>() > EAGER_ELEMENTS {
            return None;
        }
        let outputs = operator.run(Inputs::new(inputs), &mut NoBodies).ok()?;
        let named = node.outputs.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        let tensors: Vec<Tensor> =
            outputs.into_iter().map(Value::into_tensor).collect::<Result<_, _>>().ok()?;
        (tensors.len() >= named).then_some(tensors)
    }
}
