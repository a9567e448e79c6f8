use std::fmt;

use crate::attribute::Attribute;
use crate::graph::{Dim, Graph, ValueId, ValueInfo};
use crate::node::Node;

/// Elements of a constant that are shown.
const SHOWN: usize = 8;

impl fmt::Display for Graph {
    /// The graph as text, a node a line, for snapshots and debugging. Bodies are indented below their node.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_graph(self, f, 0)
    }
}

fn write_graph(graph: &Graph, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
    let pad = "  ".repeat(depth);
    writeln!(f, "{pad}graph `{}`", graph.name)?;
    for capture in &graph.captures {
        writeln!(f, "{pad}  capture `{}`", graph.name_of(capture.inner))?;
    }
    for &id in &graph.inputs {
        writeln!(f, "{pad}  input {}", declared(graph.value(id)))?;
    }
    for (&id, tensor) in &graph.initializers {
        writeln!(f, "{pad}  initializer `{}` {tensor:?}", graph.name_of(id))?;
    }
    for node in &graph.nodes {
        write_node(graph, node, f, depth + 1)?;
    }
    let outputs: Vec<_> = graph.outputs.iter().map(|&id| declared(graph.value(id))).collect();
    writeln!(f, "{pad}  output {}", outputs.join(", "))
}

fn write_node(graph: &Graph, node: &Node, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
    let names = |ids: &[Option<ValueId>]| -> String {
        let name = |id: &Option<ValueId>| {
            id.map_or_else(|| "-".to_owned(), |id| format!("`{}`", graph.name_of(id)))
        };
        ids.iter().map(name).collect::<Vec<_>>().join(", ")
    };
    let attributes: Vec<_> =
        node.attributes.iter().map(|(name, value)| format!("{name}={}", shown(value))).collect();
    writeln!(
        f,
        "{}{} = {}({}){}{} // {}",
        "  ".repeat(depth),
        names(&node.outputs),
        node.op,
        names(&node.inputs),
        if attributes.is_empty() { "" } else { " " },
        attributes.join(" "),
        node.name
    )?;
    node.bodies().try_for_each(|body| write_graph(body, f, depth + 1))
}

fn declared(info: &ValueInfo) -> String {
    let mut text = format!("`{}`", info.name);
    if let Some(kind) = &info.non_tensor {
        text += &format!(" {kind}");
    }
    if let Some(dtype) = info.dtype {
        text += &format!(" {dtype}");
    }
    if let Some(shape) = &info.shape {
        text += &format!(" [{}]", shape.iter().map(Dim::to_string).collect::<Vec<_>>().join(", "));
    }
    text
}

fn shown(attribute: &Attribute) -> String {
    fn list<T: fmt::Debug>(items: &[T]) -> String {
        let head: Vec<_> = items.iter().take(SHOWN).map(|item| format!("{item:?}")).collect();
        format!("[{}{}]", head.join(", "), if items.len() > SHOWN { ", …" } else { "" })
    }
    match attribute {
        Attribute::Int(value) => value.to_string(),
        Attribute::Ints(values) => list(values),
        Attribute::Float(value) => format!("{value:?}"),
        Attribute::Floats(values) => list(values),
        Attribute::String(text) => format!("{:?}", String::from_utf8_lossy(text)),
        Attribute::Strings(texts) => {
            list(&texts.iter().map(|text| String::from_utf8_lossy(text)).collect::<Vec<_>>())
        }
        Attribute::Tensor(tensor) => format!("<{tensor:?}>"),
        Attribute::Tensors(tensors) => list(tensors),
        Attribute::Graph(graph) => format!("<graph `{}`>", graph.name),
        Attribute::Graphs(graphs) => format!("<{} graphs>", graphs.len()),
        Attribute::Type(text) => text.clone(),
    }
}
