use vairun_compare::{Around, Near, Report};

use crate::style::elide;
use crate::words;

const BOX_WIDTH: usize = 214;
const BOX_HEIGHT: usize = 46;
const GAP_X: usize = 20;
const GAP_Y: usize = 34;
const MARGIN: usize = 14;

/// The graph around the first guilty node, from top to bottom.
pub(super) struct Picture {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) boxes: Vec<Box>,
    pub(super) edges: Vec<Edge>,
}

/// A node.
pub(super) struct Box {
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) op: String,
    pub(super) name: String,
    pub(super) title: String,
    /// The status of its tensors, the worst of them; `unknown` where none is in the golden.
    pub(super) status: &'static str,
    pub(super) mark: &'static str,
    pub(super) center: bool,
    pub(super) cut: bool,
    /// The row of its tensor.
    pub(super) place: Option<usize>,
}

/// A tensor between two nodes.
pub(super) struct Edge {
    pub(super) path: String,
    pub(super) title: String,
}

impl Picture {
    pub(super) fn of(around: &Around, report: &Report) -> Self {
        let layers = layers(around);
        let columns = columns(around, &layers);
        let widest = columns.iter().max().map_or(0, |most| most + 1);
        let count = |layer: usize| layers.iter().filter(|other| **other == layer).count();
        let place = |i: usize| {
            // Narrow layers stand in the middle.
            let free = (widest - count(layers[i])) * (BOX_WIDTH + GAP_X) / 2;
            let x = MARGIN + free + columns[i] * (BOX_WIDTH + GAP_X);
            (x, MARGIN + layers[i] * (BOX_HEIGHT + GAP_Y))
        };
        let places: Vec<_> = (0..around.nodes.len()).map(place).collect();
        let depth = layers.iter().max().map_or(0, |most| most + 1);
        Self {
            width: 2 * MARGIN + widest * (BOX_WIDTH + GAP_X) - GAP_X.min(widest * GAP_X),
            height: 2 * MARGIN + depth * (BOX_HEIGHT + GAP_Y) - GAP_Y.min(depth * GAP_Y),
            boxes: around
                .nodes
                .iter()
                .zip(&places)
                .map(|(near, at)| Box::of(near, *at, report))
                .collect(),
            edges: around.edges.iter().map(|edge| Edge::of(edge, &places)).collect(),
        }
    }
}

/// For each node the length of the longest way to it; what nothing leads to stands right above its first reader.
fn layers(around: &Around) -> Vec<usize> {
    let mut layers = vec![0usize; around.nodes.len()];
    // Nodes come after what they read from: one pass is enough.
    let mut edges: Vec<_> = around.edges.iter().collect();
    edges.sort_by_key(|edge| edge.to);
    for edge in &edges {
        layers[edge.to] = layers[edge.to].max(layers[edge.from] + 1);
    }
    for i in 0..layers.len() {
        if around.edges.iter().all(|edge| edge.to != i) {
            let readers = around.edges.iter().filter(|edge| edge.from == i);
            let below = readers.map(|edge| layers[edge.to]).min();
            layers[i] = below.map_or(layers[i], |below| below.saturating_sub(1));
        }
    }
    layers
}

/// For each node its column: in each layer by the columns of what it reads from, so that edges cross less.
fn columns(around: &Around, layers: &[usize]) -> Vec<usize> {
    let mut columns = vec![0; layers.len()];
    for layer in 0..=layers.iter().copied().max().unwrap_or(0) {
        let mut nodes: Vec<_> = (0..layers.len()).filter(|i| layers[*i] == layer).collect();
        nodes.sort_by_key(|node| {
            let from = around.edges.iter().filter(|edge| edge.to == *node);
            let above: Vec<_> = from.map(|edge| columns[edge.from]).collect();
            (100 * above.iter().sum::<usize>() / above.len().max(1), *node)
        });
        nodes.iter().enumerate().for_each(|(column, node)| columns[*node] = column);
    }
    columns
}

impl Box {
    fn of(near: &Near, (x, y): (usize, usize), report: &Report) -> Self {
        let found =
            report.records.iter().enumerate().filter(|(_, r)| near.outputs.contains(&r.name));
        // One that fails speaks for its node.
        let record = found.min_by_key(|(_, record)| record.pass());
        let output = near.outputs.first().unwrap_or(&near.name);
        let op = if near.op.is_empty() { "input" } else { &near.op };
        Self {
            x,
            y,
            op: elide(op, 23),
            name: elide(output, 26),
            title: format!("{op} · node {} · makes {}", near.name, near.outputs.join(", ")),
            status: record.map_or("unknown", |(_, record)| words::status(record.status)),
            mark: record.map_or("", |(_, record)| words::mark(record)),
            center: near.center,
            cut: near.cut,
            place: record.map(|(place, _)| place),
        }
    }

    pub(super) fn width(&self) -> usize {
        BOX_WIDTH
    }

    pub(super) fn height(&self) -> usize {
        BOX_HEIGHT
    }
}

impl Edge {
    fn of(edge: &vairun_compare::Edge, places: &[(usize, usize)]) -> Self {
        let ((x0, y0), (x1, y1)) = (places[edge.from], places[edge.to]);
        let (x0, x1) = (x0 + BOX_WIDTH / 2, x1 + BOX_WIDTH / 2);
        let y0 = y0 + BOX_HEIGHT;
        let middle = (y0 + y1) / 2;
        Self {
            path: format!("M{x0} {y0}C{x0} {middle} {x1} {middle} {x1} {y1}"),
            title: edge.tensor.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn nodes_stand_below_what_they_read_from() {
        let report = fixture::failing();
        let picture = Picture::of(report.around.as_ref().unwrap(), &report);
        let ys: Vec<_> = picture.boxes.iter().map(|node| node.y).collect();
        assert!(ys.is_sorted() && ys[0] < ys[2], "{ys:?}");
        let states: Vec<_> = picture.boxes.iter().map(|node| node.status).collect();
        assert_eq!(states, ["pass", "guilty", "inherited"]);
        assert_eq!(picture.width, BOX_WIDTH + 2 * MARGIN);
    }

    #[test]
    fn a_second_operand_stands_right_above_its_reader() {
        let node = |name: &str| Near { name: name.into(), ..Near::default() };
        let edge = |from, to| vairun_compare::Edge { from, to, tensor: String::new() };
        let around = Around {
            tensor: "d".into(),
            nodes: ["a", "b", "c", "d"].map(node).into(),
            edges: vec![edge(0, 1), edge(1, 3), edge(2, 3)],
        };
        assert_eq!(layers(&around), [0, 1, 1, 2]);
        assert_eq!(columns(&around, &layers(&around)), [0, 0, 1, 0]);
    }
}
