//! What is computed in real numbers, and ops that vairun does not know.

use vairun_graph::Attribute;

use super::grid::Kind;
use super::reader::Reader;
use super::scope::{Draft, Edge, Lowered, Scope};
use crate::proto::{Attr, OpNode};

/// `softmax`.
pub(super) fn softmax(scope: &mut Scope, op: &OpNode, reader: &Reader) -> Lowered {
    let axis = reader.required_int("axis")?;
    let edge = scope.input(op, "input")?;
    let axis = super::movement::axis(axis, edge.shape.len())?;
    scope.push_op(op, Draft::new(op, vec![edge]).int("axis", axis as i64), Kind::Real)
}

/// `sigmoid`, `tanh`, `gelu`, … of single elements.
pub(super) fn function(scope: &mut Scope, op: &OpNode, reader: &Reader) -> Lowered {
    let alpha = reader.float("alpha")?;
    let edge = scope.input(op, "input")?;
    let draft = Draft::new(op, vec![edge]);
    #[allow(clippy::cast_possible_truncation)] // it is a float32 in the file
    let draft = match alpha {
        Some(alpha) => draft.float("alpha", alpha as f32),
        None => draft,
    };
    scope.push_op(op, draft, Kind::Real)
}

/// An op of another type: real numbers to real numbers, with every attribute that a node can have.
pub(super) fn custom(scope: &mut Scope, op: &OpNode, reader: &Reader) -> Lowered {
    reader.ignore(&["shape", "data_type"]);
    let mut edges = Vec::new();
    for name in op.args.iter().flat_map(|arg| &arg.arg_ops) {
        let edge = scope.edge(name)?;
        edges.push(real(scope, op, edge)?);
    }
    let mut draft = Draft::new(op, edges);
    for (name, value) in &op.op_attr {
        let value = value.value.as_ref().and_then(attribute);
        if let Some(value) = value.filter(|_| !matches!(name.as_str(), "shape" | "data_type")) {
            draft = draft.attribute(name, value);
        }
    }
    scope.push_op(op, draft, Kind::Real)
}

/// The numbers of `edge`.
fn real(scope: &mut Scope, op: &OpNode, edge: Edge) -> Lowered {
    if edge.is_real() {
        return Ok(edge);
    }
    let name = scope.intermediate_name(format!("{}_", scope.graph.name_of(edge.id)));
    let shape = edge.shape.clone();
    let draft = Draft::new(op, vec![edge]).with_type("fix2float").with_name(name.clone());
    scope.push(draft, &name, shape, Kind::Real)
}

fn attribute(attr: &Attr) -> Option<Attribute> {
    let value = crate::proto::AttrValue { value: Some(attr.clone()) };
    if let Some(int) = value.as_int() {
        return Some(Attribute::Int(int));
    }
    if let Some(ints) = value.as_ints() {
        return Some(Attribute::Ints(ints));
    }
    #[allow(clippy::cast_possible_truncation)] // nodes have float32 attributes
    match attr {
        Attr::Float(_) | Attr::Double(_) => Some(Attribute::Float(value.as_float()? as f32)),
        Attr::FloatVec(_) | Attr::DoubleVec(_) => {
            Some(Attribute::Floats(value.as_floats()?.into_iter().map(|x| x as f32).collect()))
        }
        Attr::String(text) => Some(Attribute::String(text.as_bytes().to_vec())),
        Attr::Bytes(bytes) => Some(Attribute::String(bytes.value.clone())),
        Attr::StringVec(list) => {
            Some(Attribute::Strings(list.value.iter().map(|s| s.as_bytes().to_vec()).collect()))
        }
        _ => None,
    }
}
