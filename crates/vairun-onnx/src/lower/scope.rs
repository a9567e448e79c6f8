//! Which value a name means: graphs inside of graphs, and functions inlined into them.

use std::collections::HashMap;

use vairun_graph::{Capture, Graph, ValueId};

/// A set of names that see each other: those of a graph, or of one inlined call of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameId(usize);

struct Frame<'p> {
    /// The place in [`Scopes::open`] of the graph whose values are named.
    depth: usize,
    /// The frame whose names are visible too; a function sees none but its own.
    parent: Option<FrameId>,
    /// `None` for an optional input of a function that the call leaves out.
    names: HashMap<&'p str, Option<ValueId>>,
}

#[derive(Default)]
struct OpenGraph {
    graph: Graph,
    captured: HashMap<ValueId, ValueId>,
    /// How many values wanted each name.
    wanted: HashMap<String, usize>,
}

/// The graphs that are being built, outermost first, and the frames of names over them.
#[derive(Default)]
pub(crate) struct Scopes<'p> {
    open: Vec<OpenGraph>,
    frames: Vec<Frame<'p>>,
}

impl<'p> Scopes<'p> {
    /// Begins a graph inside of the current one.
    pub(crate) fn open_graph(&mut self, name: &str) {
        let graph = Graph { name: name.to_owned(), ..Graph::default() };
        self.open.push(OpenGraph { graph, ..OpenGraph::default() });
    }

    /// Ends the current graph.
    pub(crate) fn close_graph(&mut self) -> Graph {
        self.open.pop().expect("each close has its open").graph
    }

    /// The current graph.
    pub(crate) fn graph(&mut self) -> &mut Graph {
        &mut self.open.last_mut().expect("a graph is open").graph
    }

    /// The place of the current graph; see [`Scopes::bring`].
    pub(crate) fn depth(&self) -> usize {
        self.open.len() - 1
    }

    /// Begins a frame over the current graph.
    pub(crate) fn push_frame(&mut self, parent: Option<FrameId>) -> FrameId {
        self.frames.push(Frame { depth: self.depth(), parent, names: HashMap::new() });
        FrameId(self.frames.len() - 1)
    }

    /// Ends the latest frame.
    pub(crate) fn pop_frame(&mut self) {
        self.frames.pop().expect("each pop has its push");
    }

    /// Lets `name` mean a value that exists.
    pub(crate) fn bind(&mut self, frame: FrameId, name: &'p str, id: Option<ValueId>) {
        self.frames[frame.0].names.insert(name, id);
    }

    /// What `name` means in this frame alone.
    pub(crate) fn own(&self, frame: FrameId, name: &str) -> Option<Option<ValueId>> {
        self.frames[frame.0].names.get(name).copied()
    }

    /// Adds a value to the current graph for `name`, which is called `prefix` + `name` there.
    pub(crate) fn declare(&mut self, frame: FrameId, name: &'p str, prefix: &str) -> ValueId {
        let id = self.add_value(self.depth(), format!("{prefix}{name}"));
        self.bind(frame, name, Some(id));
        id
    }

    /// The value of the current graph that `name` means; one without a producer where nothing has that name.
    pub(crate) fn lookup(&mut self, frame: FrameId, name: &'p str) -> Option<ValueId> {
        let mut at = Some(frame);
        while let Some(FrameId(i)) = at {
            if let Some(&found) = self.frames[i].names.get(name) {
                let depth = self.frames[i].depth;
                return found.map(|id| self.bring(depth, id));
            }
            at = self.frames[i].parent;
        }
        Some(self.declare(frame, name, ""))
    }

    /// The value of the current graph that stands for value `id` of the graph at `depth`: each graph between captures it.
    pub(crate) fn bring(&mut self, depth: usize, mut id: ValueId) -> ValueId {
        for inner_depth in depth + 1..self.open.len() {
            id = match self.open[inner_depth].captured.get(&id) {
                Some(&known) => known,
                None => self.capture(inner_depth, id),
            };
        }
        id
    }

    fn capture(&mut self, depth: usize, outer: ValueId) -> ValueId {
        let info = self.open[depth - 1].graph.value(outer).clone();
        let inner = self.add_value(depth, info.name.clone());
        let body = &mut self.open[depth];
        let name = std::mem::take(&mut body.graph.values[inner.index()].name);
        body.graph.values[inner.index()] = vairun_graph::ValueInfo { name, ..info };
        body.graph.captures.push(Capture { outer, inner });
        body.captured.insert(outer, inner);
        inner
    }

    /// Adds a value under a name that no other value of the graph has: `name`, else `name_1`, `name_2`, …
    fn add_value(&mut self, depth: usize, name: String) -> ValueId {
        let open = &mut self.open[depth];
        let mut unique = name.clone();
        while let Some(&count) = open.wanted.get(&unique) {
            // The count is kept by the name that is wanted: many values of one name must not take long.
            let count = open.wanted.get(&name).copied().unwrap_or(count);
            open.wanted.insert(name.clone(), count + 1);
            unique = format!("{name}_{count}");
        }
        open.wanted.insert(unique.clone(), 1);
        open.graph.add_value(unique)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_unique_within_their_graph() {
        let mut scopes = Scopes::default();
        scopes.open_graph("main");
        let frames = [0; 3].map(|_| scopes.push_frame(None));
        let ids = frames.map(|frame| scopes.declare(frame, "x", "f/"));
        let graph = scopes.graph();
        assert_eq!(ids.map(|id| graph.name_of(id).to_owned()), ["f/x", "f/x_1", "f/x_2"]);
    }

    #[test]
    fn a_body_captures_through_every_graph_between() {
        let mut scopes = Scopes::default();
        scopes.open_graph("main");
        let main = scopes.push_frame(None);
        let x = scopes.declare(main, "x", "");
        scopes.open_graph("then");
        let then = scopes.push_frame(Some(main));
        scopes.open_graph("loop");
        let body = scopes.push_frame(Some(then));
        let inner = scopes.lookup(body, "x").unwrap();
        assert_eq!(scopes.lookup(body, "x"), Some(inner));
        let body = scopes.close_graph();
        let then = scopes.close_graph();
        assert_eq!(then.captures[0].outer, x);
        assert_eq!(body.captures, [Capture { outer: then.captures[0].inner, inner }]);
        assert_eq!(body.name_of(inner), "x");
    }
}
