use std::collections::{BTreeMap, HashMap};

use thiserror::Error;

use crate::attribute::Attribute;
use crate::graph::{Graph, ValueId};
use crate::node::Node;

/// A part that cannot be cut out.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExtractError {
    /// The graph has no value of that name.
    #[error("no value is called `{0}`")]
    Unknown(String),
    /// The wanted values do not depend on it.
    #[error("`{0}` is not needed for what is to be cut out")]
    Unneeded(String),
    /// It is an input or a constant: nothing computes it.
    #[error("nothing computes `{0}`")]
    NotComputed(String),
}

impl Graph {
    /// The nodes that compute the values called `to` from those called `from`, as a graph of its own.
    ///
    /// Its inputs are `from` in that order, then the inputs of this graph that are needed as well. Constants are kept
    /// where they are needed.
    ///
    /// # Errors
    /// [`ExtractError`]: a name that means nothing, or a part that is empty.
    pub fn extract(&self, from: &[&str], to: &[&str]) -> Result<Self, ExtractError> {
        let names = self.by_name();
        let find = |name: &&str| {
            names.get(name).copied().ok_or_else(|| ExtractError::Unknown((*name).to_owned()))
        };
        let from = from.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let to = to.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let producers = self.producers();
        let computed = |id: &ValueId| producers[id.index()].is_some() && !from.contains(id);
        if let Some(&constant) = to.iter().find(|id| !computed(id)) {
            return Err(ExtractError::NotComputed(self.name_of(constant).to_owned()));
        }
        let (nodes, read) = self.needed(&from, &to, &producers);
        if let Some(&unneeded) = from.iter().find(|id| !read[id.index()]) {
            return Err(ExtractError::Unneeded(self.name_of(unneeded).to_owned()));
        }
        Ok(self.part(&from, &to, &nodes, &read))
    }

    /// Which nodes compute `to`, and which values these read.
    fn needed(
        &self,
        from: &[ValueId],
        to: &[ValueId],
        producers: &[Option<usize>],
    ) -> (Vec<usize>, Vec<bool>) {
        let mut read = vec![false; self.values.len()];
        let mut is_needed = vec![false; self.nodes.len()];
        let mut open: Vec<ValueId> = to.to_vec();
        while let Some(id) = open.pop() {
            let producer = producers[id.index()].filter(|_| !from.contains(&id));
            if let Some(node) = producer.filter(|&node| !is_needed[node]) {
                is_needed[node] = true;
                open.extend(self.nodes[node].reads());
                self.nodes[node].reads().for_each(|id| read[id.index()] = true);
            }
        }
        ((0..self.nodes.len()).filter(|&node| is_needed[node]).collect(), read)
    }

    fn part(&self, from: &[ValueId], to: &[ValueId], nodes: &[usize], read: &[bool]) -> Self {
        let others = self.inputs.iter().filter(|id| read[id.index()] && !from.contains(id));
        let inputs: Vec<ValueId> = from.iter().chain(others).copied().collect();
        let constants =
            self.initializers.iter().filter(|(id, _)| read[id.index()] && !from.contains(id));
        let constants: Vec<_> = constants.map(|(&id, tensor)| (id, tensor.clone())).collect();
        let mut moved = Moved {
            graph: Self { name: self.name.clone(), ..Self::default() },
            new: HashMap::new(),
            old: self,
        };
        moved.graph.inputs = inputs.into_iter().map(|id| moved.value(id)).collect();
        let constants: BTreeMap<_, _> =
            constants.into_iter().map(|(id, tensor)| (moved.value(id), tensor)).collect();
        moved.graph.initializers = constants;
        let nodes: Vec<Node> = nodes.iter().map(|&node| moved.node(&self.nodes[node])).collect();
        moved.graph.nodes = nodes;
        moved.graph.outputs = to.iter().map(|&id| moved.value(id)).collect();
        moved.graph
    }
}

/// A graph that takes values over from another.
struct Moved<'a> {
    graph: Graph,
    new: HashMap<ValueId, ValueId>,
    old: &'a Graph,
}

impl Moved<'_> {
    fn value(&mut self, id: ValueId) -> ValueId {
        if let Some(&known) = self.new.get(&id) {
            return known;
        }
        let info = self.old.value(id).clone();
        let new = self.graph.add_value(info.name.clone());
        self.graph.values[new.index()] = info;
        self.new.insert(id, new);
        new
    }

    fn node(&mut self, node: &Node) -> Node {
        let mut node = node.clone();
        for id in node.inputs.iter_mut().chain(&mut node.outputs).flatten() {
            *id = self.value(*id);
        }
        for attribute in node.attributes.values_mut() {
            let bodies = match attribute {
                Attribute::Graph(graph) => std::slice::from_mut(&mut **graph),
                Attribute::Graphs(graphs) => graphs,
                _ => &mut [],
            };
            for capture in bodies.iter_mut().flat_map(|body| &mut body.captures) {
                capture.outer = self.value(capture.outer);
            }
        }
        node
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::OpId;
    use vairun_tensor::Tensor;

    /// `a = x + w; b = a + v; c = b + y`
    fn chain() -> Graph {
        let mut graph = Graph::default();
        let [x, y, w, v, a, b, c] =
            ["x", "y", "w", "v", "a", "b", "c"].map(|name| graph.add_value(name));
        graph.inputs = vec![x, y];
        graph.outputs = vec![c];
        graph.initializers = [w, v].map(|id| (id, Tensor::scalar(1f32))).into();
        graph.nodes = [(x, w, a), (a, v, b), (b, y, c)]
            .map(|(left, right, out)| Node {
                name: format!("make {}", graph.name_of(out)),
                op: OpId::new("", "Add", 14),
                inputs: vec![Some(left), Some(right)],
                outputs: vec![Some(out)],
                attributes: Default::default(),
            })
            .into();
        graph
    }

    fn names(graph: &Graph, ids: &[ValueId]) -> Vec<String> {
        ids.iter().map(|&id| graph.name_of(id).to_owned()).collect()
    }

    #[test]
    fn a_part_has_the_nodes_and_constants_between() {
        let part = chain().extract(&["a"], &["b"]).unwrap();
        part.validate().unwrap();
        assert_eq!(names(&part, &part.inputs), ["a"]);
        assert_eq!(names(&part, &part.outputs), ["b"]);
        assert_eq!((part.nodes.len(), part.initializers.len(), part.values.len()), (1, 1, 3));
    }

    #[test]
    fn inputs_that_are_needed_as_well_stay_inputs() {
        let part = chain().extract(&["b"], &["c"]).unwrap();
        assert_eq!(names(&part, &part.inputs), ["b", "y"]);
        let whole = chain().extract(&[], &["c"]).unwrap();
        assert_eq!(
            (names(&whole, &whole.inputs), whole.nodes.len()),
            (vec!["x".into(), "y".into()], 3)
        );
    }

    #[test]
    fn what_makes_no_part_is_told() {
        let error = |from: &[&str], to: &[&str]| chain().extract(from, to).unwrap_err().to_string();
        assert_eq!(error(&["q"], &["c"]), "no value is called `q`");
        assert_eq!(error(&["c"], &["a"]), "`c` is not needed for what is to be cut out");
        assert_eq!(error(&[], &["w"]), "nothing computes `w`");
        assert_eq!(error(&["a"], &["a"]), "nothing computes `a`");
    }
}
