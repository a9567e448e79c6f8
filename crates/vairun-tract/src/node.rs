//! A node as tract's protobuf, which its parsers read attributes from.

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::{AttributeProto, NodeProto};
use vairun_graph::Attribute;
use vairun_ops::{BuildError, NodeSpec};

/// The node with inputs named `i0`, `i1` … and outputs `o0`, `o1` …; those left out are empty.
///
/// All outputs up to the last that is asked for are named, so that their places are the node's.
///
/// # Errors
/// [`BuildError::Unsupported`] for kinds of attributes that no operator of the table has.
pub(crate) fn proto(spec: &NodeSpec) -> Result<NodeProto, BuildError> {
    let input =
        |(i, input): (usize, &Option<_>)| input.as_ref().map_or(String::new(), |_| format!("i{i}"));
    let outputs = spec.outputs.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    Ok(NodeProto {
        op_type: spec.op.op_type.clone(),
        domain: spec.op.domain.clone(),
        name: "node".into(),
        input: spec.inputs.iter().enumerate().map(input).collect(),
        output: (0..outputs).map(|i| format!("o{i}")).collect(),
        attribute: spec
            .attributes
            .iter()
            .map(|(name, value)| attribute(name, value))
            .collect::<Result<_, _>>()?,
        ..NodeProto::default()
    })
}

fn attribute(name: &str, value: &Attribute) -> Result<AttributeProto, BuildError> {
    let mut proto = AttributeProto { name: name.to_owned(), ..AttributeProto::default() };
    let kind = match value {
        Attribute::Int(i) => {
            proto.i = *i;
            AttributeType::Int
        }
        Attribute::Float(f) => {
            proto.f = *f;
            AttributeType::Float
        }
        Attribute::String(s) => {
            proto.s = s.clone();
            AttributeType::String
        }
        Attribute::Ints(ints) => {
            proto.ints = ints.clone();
            AttributeType::Ints
        }
        Attribute::Floats(floats) => {
            proto.floats = floats.clone();
            AttributeType::Floats
        }
        Attribute::Strings(strings) => {
            proto.strings = strings.clone();
            AttributeType::Strings
        }
        other => {
            let kind = other.kind();
            return Err(BuildError::Unsupported(format!(
                "attribute `{name}` is {kind}, which tract is not given"
            )));
        }
    };
    proto.r#type = kind as i32;
    Ok(proto)
}

/// Takes an attribute away.
pub(crate) fn remove(node: &mut NodeProto, name: &str) {
    node.attribute.retain(|attribute| attribute.name != name);
}

/// The bytes of a STRING attribute.
pub(crate) fn text<'a>(node: &'a NodeProto, name: &str) -> Option<&'a [u8]> {
    node.attribute.iter().find(|attribute| attribute.name == name).map(|attribute| &*attribute.s)
}
