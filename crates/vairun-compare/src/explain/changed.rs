//! A part computed again after a change: only what the change reaches.

use std::collections::HashMap;

use vairun_graph::{Attribute, Graph, Node, ValueId};
use vairun_tensor::{Tensor, Value};

use super::part::Part;
use crate::check::{Constants, Engine};

/// Elements that a part keeps between changes; what does not fit is computed anew.
const MOST_KEPT: usize = 1 << 24;

impl Part {
    /// The tensor as a changed form of the graph makes it. What lies before the change is computed once for all of them.
    pub(super) fn evaluate_changed(&self, engine: &dyn Engine, changed: &Graph) -> Option<Tensor> {
        let output = *changed.outputs.first()?;
        let clean = self.untouched(changed);
        if clean[output.index()] {
            return self.values(engine, &[output])?.pop()?.into_tensor().ok();
        }
        let constants = Constants::of(changed);
        let producers = changed.producers();
        let computed = |id: ValueId| {
            clean[id.index()] && producers[id.index()].is_some() && !constants.contains(id)
        };
        let cut = reached(changed, &[output], computed);
        let given = self.values(engine, &cut)?;
        evaluate(engine, changed, &[output], (&cut, given), |name| self.given(name))?
            .pop()?
            .into_tensor()
            .ok()
    }

    /// Values that the part makes, in that order.
    pub(super) fn values(&self, engine: &dyn Engine, wanted: &[ValueId]) -> Option<Vec<Value>> {
        let known = |id: ValueId| {
            let kept = || self.kept().get(&id).cloned();
            let constant = || Some(self.graph.initializers.get(&id)?.clone().into());
            self.given(self.graph.name_of(id)).or_else(kept).or_else(constant)
        };
        let mut missing: Vec<ValueId> =
            wanted.iter().copied().filter(|&id| known(id).is_none()).collect();
        missing.sort_unstable();
        missing.dedup();
        let mut made = HashMap::new();
        if !missing.is_empty() {
            let cut = reached(&self.graph, &missing, |id| self.kept().contains_key(&id));
            let kept = cut.iter().map(|&id| known(id)).collect::<Option<Vec<_>>>()?;
            let given = (&cut[..], kept);
            let values = evaluate(engine, &self.graph, &missing, given, |name| self.given(name))?;
            made.extend(missing.into_iter().zip(values));
            self.keep(&made);
        }
        let value = |&id: &ValueId| made.get(&id).cloned().or_else(|| known(id));
        wanted.iter().map(value).collect()
    }

    /// What the part starts from, by name.
    fn given(&self, name: &str) -> Option<Value> {
        let place = self.graph.inputs.iter().position(|&id| self.graph.name_of(id) == name)?;
        self.inputs.get(place).cloned()
    }

    fn keep(&self, made: &HashMap<ValueId, Value>) {
        let size = |value: &Value| value.as_tensor().map_or(0, Tensor::len);
        let mut kept = self.kept();
        let fits = kept.values().chain(made.values()).map(size).sum::<usize>() <= MOST_KEPT;
        if fits {
            kept.extend(made.iter().map(|(&id, value)| (id, value.clone())));
        }
    }

    /// Which values of a changed form of the graph are those of the graph.
    fn untouched(&self, changed: &Graph) -> Vec<bool> {
        let old = self.graph.values.len();
        let mut clean = vec![false; changed.values.len()];
        let own = |id: &&ValueId| id.index() < old;
        changed.inputs.iter().filter(own).for_each(|id| clean[id.index()] = true);
        changed.initializers.keys().filter(own).for_each(|id| clean[id.index()] = true);
        let first = |node: &Node| node.writes().next();
        let nodes: HashMap<_, _> =
            self.graph.nodes.iter().map(|node| (first(node), node)).collect();
        for node in &changed.nodes {
            let same = nodes.get(&first(node)).is_some_and(|old| is_same(old, node));
            if same && node.reads().all(|id| clean[id.index()]) {
                node.writes().for_each(|id| clean[id.index()] = true);
            }
        }
        clean
    }
}

/// The values `stops` where a walk from `targets` toward the inputs stops, sorted.
fn reached(graph: &Graph, targets: &[ValueId], stops: impl Fn(ValueId) -> bool) -> Vec<ValueId> {
    let producers = graph.producers();
    let reads =
        |id: ValueId| producers[id.index()].into_iter().flat_map(|n| graph.nodes[n].reads());
    let mut seen = vec![false; graph.values.len()];
    let mut found = Vec::new();
    let mut open: Vec<ValueId> = targets.iter().flat_map(|&id| reads(id)).collect();
    while let Some(id) = open.pop() {
        if std::mem::replace(&mut seen[id.index()], true) {
            continue;
        }
        if stops(id) {
            found.push(id);
        } else {
            open.extend(reads(id));
        }
    }
    found.sort_unstable();
    found
}

/// Values of a graph, computed from those of `cut` and what the graph is given by name.
fn evaluate(
    engine: &dyn Engine,
    graph: &Graph,
    wanted: &[ValueId],
    (cut, values): (&[ValueId], Vec<Value>),
    given: impl Fn(&str) -> Option<Value>,
) -> Option<Vec<Value>> {
    let names = |ids: &[ValueId]| ids.iter().map(|&id| graph.name_of(id)).collect::<Vec<_>>();
    let part = graph.extract(&names(cut), &names(wanted)).ok()?;
    let others = part.inputs[cut.len()..].iter().map(|&id| {
        given(part.name_of(id)).or_else(|| Some(part.initializers.get(&id)?.clone().into()))
    });
    let inputs = values.into_iter().map(Some).chain(others).collect::<Option<Vec<_>>>()?;
    engine.evaluate(part, inputs, None).ok()
}

/// Whether two nodes do the same; bodies are not looked into.
fn is_same(a: &Node, b: &Node) -> bool {
    let attributes = || {
        a.attributes.len() == b.attributes.len()
            && a.attributes.iter().zip(&b.attributes).all(|(a, b)| a.0 == b.0 && is_equal(a.1, b.1))
    };
    a.op == b.op && a.inputs == b.inputs && a.outputs == b.outputs && attributes()
}

fn is_equal(a: &Attribute, b: &Attribute) -> bool {
    use Attribute::{Float, Floats, Int, Ints, String, Strings, Tensor};
    match (a, b) {
        (Int(a), Int(b)) => a == b,
        (Ints(a), Ints(b)) => a == b,
        (Float(a), Float(b)) => a.to_bits() == b.to_bits(),
        (Floats(a), Floats(b)) => a.iter().map(|x| x.to_bits()).eq(b.iter().map(|x| x.to_bits())),
        (String(a), String(b)) => a == b,
        (Strings(a), Strings(b)) => a == b,
        (Tensor(a), Tensor(b)) => a.bits_eq(b),
        _ => false,
    }
}
