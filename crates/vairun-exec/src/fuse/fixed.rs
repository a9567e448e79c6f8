use std::sync::OnceLock;

use vairun_graph::{Node, ValueId};
use vairun_ops::{Inputs, Outputs};
use vairun_tensor::{Tensor, Value};

use crate::error::RunError;
use crate::plan::{Kernel, Plan};
use crate::run::{Values, Watch};

/// What the plain plan says about nodes and the values that are the same in every run.
impl Plan {
    /// The values that these nodes read and none of them makes, constants excepted.
    pub(super) fn leaves(&self, nodes: &[usize]) -> Vec<ValueId> {
        let made =
            |id: &ValueId| nodes.iter().any(|&i| self.graph.nodes[i].outputs.contains(&Some(*id)));
        let mut leaves: Vec<_> = nodes
            .iter()
            .flat_map(|&i| self.graph.nodes[i].inputs.iter().flatten().copied())
            .filter(|id| !self.constants.is_fixed(*id) && !made(id))
            .collect();
        leaves.sort_unstable();
        leaves.dedup();
        leaves
    }

    /// The nodes on the way from value `root` to value `id`, in order.
    pub(super) fn nodes_between(&self, root: ValueId, id: ValueId) -> Vec<usize> {
        let producer = |id: ValueId| self.producers[id.index()];
        let mut nodes: Vec<usize> = producer(id).into_iter().collect();
        let mut next = 0;
        while let Some(&i) = nodes.get(next) {
            next += 1;
            for &id in self.graph.nodes[i].inputs.iter().flatten() {
                if id == root || self.constants.is_fixed(id) {
                    continue;
                }
                if let Some(i) = producer(id).filter(|i| !nodes.contains(i)) {
                    nodes.push(i);
                }
            }
        }
        nodes.sort_unstable();
        nodes
    }

    /// The known inputs of a node but the first.
    pub(super) fn parameters(&self, node: &Node) -> Inputs {
        let known = |&id: &Option<ValueId>| Some(self.constants.known(id?)?.clone().into());
        let first = std::iter::once(None);
        Inputs::new(first.chain(node.inputs.iter().skip(1).map(known)).collect())
    }

    /// A value that is the same in every run. Weights that are only needed to pack them are not kept.
    pub(super) fn fixed(&self, id: ValueId) -> Result<Value, RunError> {
        self.fixed_by(id, |outputs, _| outputs)
    }

    /// The same for a step that reads the value in every run.
    pub(super) fn kept(&self, id: ValueId) -> Result<Value, RunError> {
        self.fixed_by(id, |outputs, cell| cell.get_or_init(|| outputs).clone())
    }

    fn fixed_by(
        &self,
        id: ValueId,
        made: impl Fn(Outputs, &OnceLock<Outputs>) -> Outputs,
    ) -> Result<Value, RunError> {
        if let Some(value) = self.known(id)? {
            return Ok(value);
        }
        let nodes = self.unknown_before(id);
        let mut values: Values = vec![None; self.graph.values.len()];
        for i in nodes {
            let (node, step) = (&self.graph.nodes[i], &self.steps[i]);
            let Kernel::Once(operator, cell) = &step.kernel else { continue };
            let outputs = match cell.get() {
                Some(outputs) => outputs.clone(),
                None => {
                    let watch = &mut Watch::nobody();
                    let operator = operator.as_ref();
                    made(self.evaluate(node, step, &[], operator, &mut values, watch)?, cell)
                }
            };
            for (id, value) in node.outputs.iter().zip(outputs) {
                if let Some(id) = id {
                    values[id.index()] = Some(value);
                }
            }
        }
        self.output(id, &values)
    }

    /// Gives back the memory of weights that stand in a file, after they were packed.
    pub(super) fn release(&self, id: ValueId) {
        let nodes = self.unknown_before(id).into_iter().map(|i| &self.graph.nodes[i]);
        let read = nodes.flat_map(|node| node.inputs.iter().flatten().copied());
        read.chain([id]).filter_map(|id| self.constants.known(id)).for_each(Tensor::release);
    }

    /// The nodes that must run to know a fixed value, in order.
    fn unknown_before(&self, id: ValueId) -> Vec<usize> {
        let producer = |id: ValueId| self.producers[id.index()];
        let mut nodes = Vec::new();
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            let Some(i) = producer(id).filter(|_| self.constants.known(id).is_none()) else {
                continue;
            };
            if !nodes.contains(&i) {
                nodes.push(i);
                open.extend(self.graph.nodes[i].inputs.iter().flatten());
            }
        }
        nodes.sort_unstable();
        nodes
    }
}
