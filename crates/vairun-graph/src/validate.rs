use thiserror::Error;

use crate::graph::{Graph, ValueId};
use crate::node::Node;

/// A graph that breaks a rule of this crate; front ends report it as a malformed file.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum GraphError {
    /// Two producers.
    #[error("`{value}` is made twice: by {first} and by {second}")]
    TwoProducers {
        /// The value.
        value: String,
        /// What makes it first.
        first: String,
        /// What makes it again.
        second: String,
    },
    /// Read, but nothing makes it.
    #[error("{reader} reads `{value}`, which nothing makes")]
    NoProducer {
        /// The value.
        value: String,
        /// Who reads it.
        reader: String,
    },
    /// Nodes that need each other's results.
    #[error("a cycle of {count} nodes, among them `{node}`")]
    Cycle {
        /// A node of it.
        node: String,
        /// How many nodes are in cycles or depend on them.
        count: usize,
    },
}

impl Graph {
    /// Puts each node after the nodes that it reads from, keeping the file's order where it can.
    ///
    /// # Errors
    /// [`GraphError::Cycle`].
    pub fn sort(&mut self) -> Result<(), GraphError> {
        let producers = self.producers();
        let mut order = Vec::with_capacity(self.nodes.len());
        // 0: new, 1: being visited, 2: done. An explicit stack: files from strangers may be deep.
        let mut state = vec![0u8; self.nodes.len()];
        for root in 0..self.nodes.len() {
            let mut stack = vec![root];
            while let Some(&i) = stack.last() {
                if state[i] == 2 {
                    stack.pop();
                    continue;
                }
                let first_visit = state[i] == 0;
                state[i] = 1;
                let open = |id: ValueId| producers[id.index()].filter(|&p| state[p] != 2);
                let needs: Vec<usize> = self.nodes[i].reads().filter_map(open).collect();
                if needs.is_empty() {
                    state[i] = 2;
                    order.push(i);
                    stack.pop();
                } else if !first_visit || needs.iter().any(|&p| state[p] == 1) {
                    let count = self.nodes.len() - order.len();
                    return Err(GraphError::Cycle { node: self.nodes[i].name.clone(), count });
                } else {
                    stack.extend(needs.into_iter().rev());
                }
            }
        }
        if order.iter().enumerate().any(|(place, &i)| place != i) {
            let mut nodes: Vec<Option<Node>> =
                std::mem::take(&mut self.nodes).into_iter().map(Some).collect();
            self.nodes =
                order.into_iter().map(|i| nodes[i].take().expect("each node once")).collect();
        }
        Ok(())
    }

    /// Checks that every value that is read has exactly one producer, here and in the bodies.
    ///
    /// # Errors
    /// All problems.
    pub fn validate(&self) -> Result<(), Vec<GraphError>> {
        let mut problems = Vec::new();
        self.collect_problems(&mut problems);
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn collect_problems(&self, problems: &mut Vec<GraphError>) {
        let mut made_by: Vec<Option<String>> = vec![None; self.values.len()];
        let inputs = self.inputs.iter().map(|&id| (id, "an input".to_owned()));
        let captured =
            self.captures.iter().map(|capture| (capture.inner, "the enclosing graph".to_owned()));
        let only_initializers = self.initializers.keys().filter(|id| !self.inputs.contains(id));
        let initializers = only_initializers.map(|&id| (id, "an initializer".to_owned()));
        let nodes = self
            .nodes
            .iter()
            .flat_map(|node| node.writes().map(|id| (id, format!("node `{}`", node.name))));
        for (id, maker) in inputs.chain(captured).chain(initializers).chain(nodes) {
            match &made_by[id.index()] {
                None => made_by[id.index()] = Some(maker),
                Some(first) => problems.push(GraphError::TwoProducers {
                    value: self.name_of(id).to_owned(),
                    first: first.clone(),
                    second: maker,
                }),
            }
        }
        let by_nodes = self
            .nodes
            .iter()
            .flat_map(|node| node.reads().map(|id| (id, format!("node `{}`", node.name))));
        let by_caller = self.outputs.iter().map(|&id| (id, "the graph's output list".to_owned()));
        for (id, reader) in by_nodes.chain(by_caller) {
            if made_by[id.index()].is_none() {
                problems
                    .push(GraphError::NoProducer { value: self.name_of(id).to_owned(), reader });
            }
        }
        self.nodes.iter().flat_map(Node::bodies).for_each(|body| body.collect_problems(problems));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::OpId;

    fn relu(name: &str, input: ValueId, output: ValueId) -> Node {
        let op = OpId::new("", "Relu", 13);
        let (inputs, outputs) = (vec![Some(input)], vec![Some(output)]);
        Node { name: name.into(), op, inputs, outputs, attributes: Default::default() }
    }

    fn chain() -> (Graph, [ValueId; 3]) {
        let mut graph = Graph::default();
        let ids = ["x", "a", "b"].map(|name| graph.add_value(name));
        graph.inputs = vec![ids[0]];
        graph.outputs = vec![ids[2]];
        (graph, ids)
    }

    #[test]
    fn sorting_puts_producers_first() {
        let (mut graph, [x, a, b]) = chain();
        graph.nodes = vec![relu("second", a, b), relu("first", x, a)];
        graph.sort().unwrap();
        assert_eq!(graph.nodes[0].name, "first");
        graph.validate().unwrap();
    }

    #[test]
    fn a_cycle_is_an_error_not_a_hang() {
        let (mut graph, [_, a, b]) = chain();
        graph.nodes = vec![relu("one", a, b), relu("two", b, a)];
        assert!(matches!(graph.sort(), Err(GraphError::Cycle { count: 2, .. })));
    }

    #[test]
    fn all_problems_are_found_at_once() {
        let (mut graph, [x, a, _]) = chain();
        graph.nodes = vec![relu("one", x, a), relu("two", x, a)];
        let problems = graph.validate().unwrap_err();
        assert_eq!(problems[0].to_string(), "`a` is made twice: by node `one` and by node `two`");
        assert_eq!(
            problems[1].to_string(),
            "the graph's output list reads `b`, which nothing makes"
        );
    }
}
