//! The part of a graph around one tensor: what a reader needs to see where a difference begins.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};
use vairun_graph::{Graph, Node};

use crate::report::Report;

/// Steps from the tensor, up and down.
const REACH: usize = 2;

/// Nodes that are shown at most; the nearest come first.
const MOST: usize = 24;

/// The nodes around a tensor, each after the nodes that it reads from.
///
/// What only constants lead to is left out: weights and their dequantizers would hide the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Around {
    /// The tensor.
    pub tensor: String,
    /// The nodes near it; an input of the model is a node without operator.
    pub nodes: Vec<Near>,
    /// What flows between them.
    pub edges: Vec<Edge>,
}

/// A node near the tensor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Near {
    /// Its name.
    pub name: String,
    /// Its operator, with the domain; empty for an input of the model.
    pub op: String,
    /// The tensors that it makes.
    pub outputs: Vec<String>,
    /// Whether it makes the tensor.
    pub center: bool,
    /// Whether nodes before or after it are left out.
    pub cut: bool,
}

/// A tensor on its way from one node to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// The place in [`Around::nodes`] of the node that makes it.
    pub from: usize,
    /// The place of the node that reads it.
    pub to: usize,
    /// The tensor.
    pub tensor: String,
}

impl Around {
    /// The nodes around the first tensor that fails.
    pub(crate) fn of_first(graph: &Graph, report: &Report) -> Option<Self> {
        Self::of(graph, &report.first_failing()?.name)
    }

    /// The nodes of the main graph around the tensor of that name. `None` where the graph has no such tensor, or it is
    /// a constant.
    pub fn of(graph: &Graph, tensor: &str) -> Option<Self> {
        let places = Places::of(graph);
        let center = *places.by_output.get(tensor)?;
        let kept = places.near(center);
        let index: HashMap<usize, usize> =
            kept.iter().enumerate().map(|(i, place)| (*place, i)).collect();
        let near = |place: &usize| Near {
            center: *place == center,
            cut: places.neighbours(*place).any(|other| !index.contains_key(&other)),
            ..places.describe(*place)
        };
        let edges = kept.iter().flat_map(|place| {
            let to = index[place];
            let read = places.reads[*place].iter();
            read.filter_map(|(tensor, from)| Some((tensor, *index.get(from)?)))
                .map(move |(tensor, from)| Edge { from, to, tensor: (*tensor).to_owned() })
                .collect::<Vec<_>>()
        });
        Some(Self {
            tensor: tensor.to_owned(),
            nodes: kept.iter().map(near).collect(),
            edges: edges.collect(),
        })
    }
}

/// The inputs of the graph and then its nodes, in order, without what is constant.
struct Places<'a> {
    inputs: Vec<&'a str>,
    nodes: Vec<(&'a Graph, &'a Node)>,
    by_output: BTreeMap<&'a str, usize>,
    /// For each place the tensors that it reads, and the place that makes them.
    reads: Vec<Vec<(&'a str, usize)>>,
    readers: Vec<Vec<usize>>,
}

impl<'a> Places<'a> {
    fn of(graph: &'a Graph) -> Self {
        let given = graph.inputs.iter().filter(|id| !graph.initializers.contains_key(id));
        let inputs: Vec<&str> = given.map(|&id| graph.name_of(id)).collect();
        let mut places = Self {
            by_output: inputs.iter().enumerate().map(|(i, name)| (*name, i)).collect(),
            reads: vec![Vec::new(); inputs.len()],
            readers: vec![Vec::new(); inputs.len()],
            inputs,
            nodes: Vec::new(),
        };
        graph.nodes.iter().for_each(|node| places.add(graph, node));
        places
    }

    fn add(&mut self, graph: &'a Graph, node: &'a Node) {
        let names = node.reads().map(|id| graph.name_of(id));
        let mut reads: Vec<_> =
            names.filter_map(|name| Some((name, *self.by_output.get(name)?))).collect();
        reads.dedup();
        if reads.is_empty() {
            return;
        }
        let place = self.reads.len();
        node.writes().for_each(|id| {
            self.by_output.insert(graph.name_of(id), place);
        });
        reads.iter().for_each(|(_, from)| self.readers[*from].push(place));
        self.reads.push(reads);
        self.readers.push(Vec::new());
        self.nodes.push((graph, node));
    }

    fn neighbours(&self, place: usize) -> impl Iterator<Item = usize> {
        self.reads[place].iter().map(|(_, from)| *from).chain(self.readers[place].iter().copied())
    }

    /// The places within reach, in order.
    fn near(&self, center: usize) -> Vec<usize> {
        let mut kept = HashSet::from([center]);
        let (mut up, mut down) = (vec![center], vec![center]);
        for _ in 0..REACH {
            up = up.iter().flat_map(|p| self.reads[*p].iter().map(|(_, from)| *from)).collect();
            down = down.iter().flat_map(|p| self.readers[*p].iter().copied()).collect();
            for place in up.iter().chain(&down) {
                if kept.len() < MOST {
                    kept.insert(*place);
                }
            }
        }
        let mut kept: Vec<_> = kept.into_iter().collect();
        kept.sort_unstable();
        kept
    }

    fn describe(&self, place: usize) -> Near {
        let Some(i) = place.checked_sub(self.inputs.len()) else {
            let name = self.inputs[place].to_owned();
            return Near { outputs: vec![name.clone()], name, ..Near::default() };
        };
        let (graph, node) = self.nodes[i];
        Near {
            name: node.name.clone(),
            op: node.op.to_string(),
            outputs: node.writes().map(|id| graph.name_of(id).to_owned()).collect(),
            ..Near::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use vairun_graph::OpId;

    use super::*;

    /// A chain of nodes `t1`, `t2`, …, each with a weight that a constant node makes.
    fn chain(length: usize) -> Graph {
        let mut graph = Graph::default();
        let mut last = graph.add_value("t0");
        graph.inputs.push(last);
        for i in 1..=length {
            let weight = graph.add_value(format!("w{i}"));
            let next = graph.add_value(format!("t{i}"));
            graph.nodes.push(node(format!("constant {i}"), "Constant", &[], weight));
            graph.nodes.push(node(format!("node {i}"), "Mul", &[last, weight], next));
            last = next;
        }
        graph
    }

    fn node(
        name: String,
        op: &str,
        inputs: &[vairun_graph::ValueId],
        output: vairun_graph::ValueId,
    ) -> Node {
        Node {
            name,
            op: OpId::new("", op, 13),
            inputs: inputs.iter().map(|&id| Some(id)).collect(),
            outputs: vec![Some(output)],
            attributes: vairun_graph::Attributes::default(),
        }
    }

    #[test]
    fn two_steps_each_way_without_what_is_constant() {
        let around = Around::of(&chain(9), "t4").unwrap();
        let names: Vec<_> = around.nodes.iter().map(|near| near.name.as_str()).collect();
        assert_eq!(names, ["node 2", "node 3", "node 4", "node 5", "node 6"]);
        let centers: Vec<_> = around.nodes.iter().map(|near| near.center).collect();
        assert_eq!(centers, [false, false, true, false, false]);
        assert!(around.nodes[0].cut && !around.nodes[1].cut && around.nodes[4].cut);
        assert_eq!(around.edges[0], Edge { from: 0, to: 1, tensor: "t2".into() });
        assert_eq!(around.edges.len(), 4);
    }

    #[test]
    fn an_input_of_the_model_is_a_node_without_operator() {
        let around = Around::of(&chain(1), "t1").unwrap();
        assert_eq!((around.nodes[0].name.as_str(), around.nodes[0].op.as_str()), ("t0", ""));
        assert!(!around.nodes.iter().any(|near| near.cut));
    }

    #[test]
    fn a_constant_or_an_unknown_tensor_has_no_surroundings() {
        assert_eq!(Around::of(&chain(3), "w2"), None);
        assert_eq!(Around::of(&chain(3), "nothing"), None);
    }
}
