use std::collections::HashMap;

use vairun_graph::{Attribute, Node, ValueId};
use vairun_ops::Inputs;
use vairun_tensor::Value;

use super::roles::{Role, Roles};
use super::run::{Run, Stop};
use crate::plan::Kernel;

/// An integer product, the cast of its sums to float32, a factor, and perhaps a bias: what dynamic quantization leaves
/// behind a quantizer. The values in between have no other reader.
#[derive(Clone, Debug)]
pub(super) struct Scaled {
    /// The nodes in order; the first gives the sums, the last the value.
    pub(super) nodes: Vec<usize>,
    factor: ValueId,
    bias: Option<ValueId>,
    /// What the nodes make, the value last.
    made: Vec<ValueId>,
}

impl Scaled {
    /// Those of a graph, by the node that ends each.
    pub(super) fn all(roles: &Roles) -> HashMap<usize, Self> {
        let readers = readers(roles);
        let nodes = 0..roles.plan.graph.nodes.len();
        let found = nodes.filter_map(|i| Self::from(roles, &readers, i));
        found.map(|scaled| (scaled.last(), scaled)).collect()
    }

    /// The one that starts with node `i`.
    fn from(roles: &Roles, readers: &[Option<usize>], i: usize) -> Option<Self> {
        let (_, step) = roles.node(i);
        let Kernel::Each(operator) = &step.kernel else { return None };
        operator.sums()?;
        let sums = only_output(roles.node(i).0)?;
        let next = |id: ValueId| {
            let lone = roles.uses[id.index()] == 1 && roles.role(id) == Role::Plain;
            readers[id.index()].filter(|_| lone)
        };
        let cast = next(sums).filter(|&cast| is_to_float(roles.node(cast).0))?;
        let numbers = only_output(roles.node(cast).0)?;
        let (multiply, factor) = binary(roles, next(numbers)?, "Mul", numbers)?;
        let product = only_output(roles.node(multiply).0)?;
        let mut scaled = Self {
            nodes: vec![i, cast, multiply],
            factor,
            bias: None,
            made: vec![sums, numbers, product],
        };
        let add = next(product).and_then(|add| binary(roles, add, "Add", product));
        if let Some((add, bias)) = add.filter(|&(_, bias)| roles.role(bias) == Role::Fixed) {
            scaled.nodes.push(add);
            scaled.bias = Some(bias);
            scaled.made.push(only_output(roles.node(add).0)?);
        }
        let end = *scaled.made.last()?;
        (roles.role(end) == Role::Plain).then_some(scaled)
    }

    /// The node that makes the value.
    pub(super) fn last(&self) -> usize {
        *self.nodes.last().expect("a chain has nodes")
    }

    /// The values that it reads.
    pub(super) fn reads<'a>(&'a self, nodes: &'a [Node]) -> impl Iterator<Item = ValueId> + 'a {
        let product = nodes[self.nodes[0]].inputs.iter().flatten().copied();
        product.chain([self.factor]).chain(self.bias)
    }

    /// The value that it makes.
    pub(super) fn value(&self) -> ValueId {
        *self.made.last().expect("a chain makes a value")
    }

    /// Makes the value in one pass where the product can, else by the nodes; gives the name of the form.
    pub(super) fn run(&self, run: &mut Run) -> Result<&'static str, Stop> {
        if let Some(value) = self.fast(run)? {
            run.values[self.value().index()] = Some(value);
            return Ok("product");
        }
        for &i in &self.nodes {
            run.node(i, &[])?;
        }
        for id in &self.made[..self.made.len() - 1] {
            run.values[id.index()] = None;
        }
        Ok("plain")
    }

    fn fast(&self, run: &Run) -> Result<Option<Value>, Stop> {
        let (node, step) = (&run.plan.graph.nodes[self.nodes[0]], &run.plan.steps[self.nodes[0]]);
        let Kernel::Each(operator) = &step.kernel else { return Ok(None) };
        let Some(sums) = operator.sums() else { return Ok(None) };
        let inputs = node.inputs.iter().map(|id| id.map(|id| run.value(id)).transpose());
        let inputs = Inputs::new(inputs.collect::<Result<_, _>>()?);
        let factor = run.value(self.factor)?;
        let bias = self.bias.map(|id| run.value(id)).transpose()?;
        let tensor = |value: &Value| value.as_tensor().ok().cloned();
        let bias = match bias.as_ref().map(tensor) {
            Some(None) => return Ok(None),
            bias => bias.flatten(),
        };
        let Some(factor) = tensor(&factor) else { return Ok(None) };
        // What does not fit is the plain form's to tell.
        let result = sums.scaled(&inputs, &factor, bias.as_ref()).ok().flatten();
        Ok(result.map(Value::from))
    }
}

/// The node that reads each value, the last one where there are several.
fn readers(roles: &Roles) -> Vec<Option<usize>> {
    let mut readers = vec![None; roles.uses.len()];
    for (i, node) in roles.plan.graph.nodes.iter().enumerate() {
        node.reads().for_each(|id| readers[id.index()] = Some(i));
    }
    readers
}

fn only_output(node: &Node) -> Option<ValueId> {
    match node.outputs[..] {
        [y] => y,
        _ => None,
    }
}

/// A Cast to float32.
fn is_to_float(node: &Node) -> bool {
    const FLOAT: i64 = 1;
    node.op.is_onnx("Cast") && matches!(node.attributes.get("to"), Some(&Attribute::Int(FLOAT)))
}

/// Node `i`, where it is the operator of that name, and its operand beside `x`.
fn binary(roles: &Roles, i: usize, name: &str, x: ValueId) -> Option<(usize, ValueId)> {
    let (node, step) = roles.node(i);
    if !step.standard || !node.op.is_onnx(name) {
        return None;
    }
    match node.inputs[..] {
        [Some(a), Some(b)] if a == x && b != x => Some((i, b)),
        [Some(a), Some(b)] if b == x && a != x => Some((i, a)),
        _ => None,
    }
}
