//! Quantizers of other domains rewritten as ONNX's own QuantizeLinear and DequantizeLinear.
//!
//! Only what gives the same bits for all finite numbers is rewritten; the rest is named. NaN is the exception: ONNX
//! leaves open what it becomes, `vai` and Quark do not.

mod fixed;
mod native;
mod spell;
mod vai;
mod write;

use std::collections::HashSet;

use vairun_graph::{Graph, Node, OpId};

use crate::builder::Builder;
use crate::error::Error;
use crate::model::Model;
use write::Writer;

/// A model in which quantizers are ONNX's own.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Conversion {
    /// The model.
    pub model: vairun_graph::Model,
    /// Quantizers of constants that became integer constants.
    pub folded: usize,
    /// Nodes that became QuantizeLinear or DequantizeLinear.
    pub native: usize,
    /// Quantizers whose rounding ONNX's does not have: they are spelled out with Floor, Ceil, Where and Cast.
    pub spelled: usize,
    /// Nodes that have no exact form, and why.
    pub left: Vec<Left>,
}

/// A node that stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Its name.
    pub node: String,
    /// Its operator.
    pub op: OpId,
    /// Why it stays.
    pub why: String,
}

/// Rewrites the quantizers of the main graph. `builder` runs what is constant.
///
/// # Errors
/// [`Error::Unsupported`] and others of a model that does not run as it is.
pub fn to_qdq(source: &vairun_graph::Model, builder: &Builder) -> Result<Conversion, Error> {
    let model = builder.from_graph(source.clone())?;
    let codes = fixed::codes(source, builder)?;
    let mut writer = Writer::new(&model, codes);
    for node in &source.graph.nodes {
        convert(&mut writer, node);
    }
    let (mut graph, counts, left) = writer.finish();
    prune(&mut graph);
    let mut converted = vairun_graph::Model { graph, ..source.clone() };
    drop_imports(&mut converted);
    let write::Counts { folded, native, spelled } = counts;
    Ok(Conversion { model: converted, folded, native, spelled, left })
}

fn convert(writer: &mut Writer, node: &Node) {
    let written = match (node.op.domain.as_str(), node.op.op_type.as_str()) {
        ("vai", "QuantizeLinear") => vai::quantize(writer, node),
        ("vai", "DequantizeLinear") => vai::dequantize(writer, node),
        ("com.amd.quark", "ExtendedQuantizeLinear")
        | ("com.vai.quantize", "VitisQuantizeLinear") => native::rename(writer, node, true, 0),
        ("com.amd.quark", "ExtendedDequantizeLinear")
        | ("com.vai.quantize", "VitisDequantizeLinear") => native::rename(writer, node, false, 0),
        ("com.microsoft", "QuantizeLinear") => native::rename(writer, node, true, 1),
        ("com.microsoft", "DequantizeLinear") => native::rename(writer, node, false, 1),
        ("vai" | "com.amd.quark" | "com.vai.quantize", _) => {
            Err("ONNX has no operator like it".to_owned())
        }
        _ => {
            writer.keep(node);
            return;
        }
    };
    if let Err(why) = written {
        writer.leave(node, why);
    }
}

/// Removes what nobody reads any more: constants of the quantizers that are gone.
fn prune(graph: &mut Graph) {
    let mut needed: HashSet<_> = graph.outputs.iter().copied().collect();
    let mut kept = Vec::with_capacity(graph.nodes.len());
    for node in std::mem::take(&mut graph.nodes).into_iter().rev() {
        if node.writes().any(|id| needed.contains(&id)) {
            needed.extend(node.reads());
            kept.push(node);
        }
    }
    kept.reverse();
    graph.nodes = kept;
    let inputs: HashSet<_> = graph.inputs.iter().copied().collect();
    graph.initializers.retain(|id, _| needed.contains(id) || inputs.contains(id));
}

/// Imports of domains that no node is of any more.
fn drop_imports(model: &mut vairun_graph::Model) {
    let used: HashSet<String> =
        model.graph.all_nodes().iter().map(|node| node.op.domain.clone()).collect();
    model.opset_imports.retain(|import| import.domain.is_empty() || used.contains(&import.domain));
}

/// The opset of ONNX's own operators.
fn opset(model: &Model) -> i64 {
    model.source().opset("").unwrap_or(1)
}

#[cfg(test)]
mod tests;
