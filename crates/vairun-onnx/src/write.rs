//! A [`Model`] to the bytes of an .onnx file.

use std::collections::{BTreeMap, HashSet};

use prost::Message;
use vairun_graph::{Attribute, Graph, Model, Node, ValueId};

use crate::error::OnnxError;
use crate::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto,
    ValueInfoProto, attribute_type as kind,
};
use crate::types::{declaration, from_words};
use crate::values::tensor_proto;

/// Protobuf's limit for a message.
const MAX_BYTES: usize = i32::MAX as usize;
/// What a model that came from elsewhere gets: the first version with every type of 8 bits and more, and with functions.
const DEFAULT_IR_VERSION: i64 = 10;

/// The bytes of an .onnx file with this model, all its tensors inside.
///
/// Reading them gives the same graph. A value of a body is renamed where it would hide a captured one.
///
/// # Errors
/// [`OnnxError::Write`] where a node has another opset version than the model imports for its domain (which comes from
/// functions that import their own), where a type has no form in ONNX, and beyond 2 GiB.
pub fn write(model: &Model) -> Result<Vec<u8>, OnnxError> {
    let entry = |(key, value): (&String, &String)| StringStringEntryProto {
        key: Some(key.clone()),
        value: Some(value.clone()),
    };
    let proto = ModelProto {
        ir_version: Some(if model.ir_version > 0 { model.ir_version } else { DEFAULT_IR_VERSION }),
        producer_name: Some(model.producer_name.clone()),
        producer_version: Some(model.producer_version.clone()),
        opset_import: opset_imports(model)?,
        metadata_props: model.metadata.iter().map(entry).collect(),
        graph: Some(graph_proto(&model.graph, &[])?),
        functions: Vec::new(),
    };
    match proto.encoded_len() {
        bytes if bytes > MAX_BYTES => Err(OnnxError::Write(format!(
            "the model takes {bytes} bytes, more than the {MAX_BYTES} of one protobuf message"
        ))),
        _ => Ok(proto.encode_to_vec()),
    }
}

fn opset_imports(model: &Model) -> Result<Vec<OperatorSetIdProto>, OnnxError> {
    let imported = model.opset_imports.iter().map(|id| (id.domain.as_str(), id.version));
    let mut versions: BTreeMap<&str, i64> = imported.collect();
    for node in model.graph.all_nodes() {
        let version = *versions.entry(&node.op.domain).or_insert(node.op.opset);
        if version != node.op.opset {
            return Err(OnnxError::Write(format!(
                "node `{}` ({}) has opset {}, the model imports {version}",
                node.name, node.op, node.op.opset
            )));
        }
    }
    let import = |(domain, version): (&str, i64)| OperatorSetIdProto {
        domain: Some(domain.to_owned()),
        version: Some(version),
    };
    Ok(versions.into_iter().map(import).collect())
}

/// `outer` holds the written names of the enclosing graph's values.
fn graph_proto(graph: &Graph, outer: &[String]) -> Result<GraphProto, OnnxError> {
    let names = written_names(graph, outer);
    let declared = |id: ValueId| declaration(graph.value(id), &names[id.index()]);
    let initializer = |(id, tensor): (&ValueId, _)| tensor_proto(&names[id.index()], tensor);
    Ok(GraphProto {
        name: Some(graph.name.clone()),
        node: graph.nodes.iter().map(|node| node_proto(node, &names)).collect::<Result<_, _>>()?,
        initializer: graph.initializers.iter().map(initializer).collect(),
        sparse_initializer: Vec::new(),
        input: graph.inputs.iter().map(|&id| declared(id)).collect(),
        output: graph.outputs.iter().map(|&id| declared(id)).collect(),
        value_info: value_info(graph, &names),
    })
}

fn written_names(graph: &Graph, outer: &[String]) -> Vec<String> {
    let mut names: Vec<String> = graph.values.iter().map(|info| info.name.clone()).collect();
    let mut taken: HashSet<String> = names.iter().cloned().collect();
    let mut captured = HashSet::new();
    for capture in &graph.captures {
        names[capture.inner.index()].clone_from(&outer[capture.outer.index()]);
        captured.insert(capture.inner.index());
    }
    let hidden: HashSet<String> = captured.iter().map(|&i| names[i].clone()).collect();
    for (i, name) in names.iter_mut().enumerate() {
        if hidden.contains(name) && !captured.contains(&i) {
            let free =
                |candidate: &String| !taken.contains(candidate) && !hidden.contains(candidate);
            let mut candidates = (1..).map(|n| format!("{name}_{n}"));
            *name = candidates.find(free).expect("some number is free");
            taken.insert(name.clone());
        }
    }
    names
}

/// What the file declared of the values between inputs and outputs.
fn value_info(graph: &Graph, names: &[String]) -> Vec<ValueInfoProto> {
    let elsewhere = graph.inputs.iter().chain(&graph.outputs).chain(graph.initializers.keys());
    let captured = graph.captures.iter().map(|capture| capture.inner);
    let elsewhere: HashSet<usize> =
        elsewhere.copied().chain(captured).map(ValueId::index).collect();
    let between =
        graph.values.iter().zip(names).enumerate().filter(|(i, _)| !elsewhere.contains(i));
    between
        .map(|(_, (info, name))| declaration(info, name))
        .filter(|declared| declared.r#type.is_some())
        .collect()
}

fn node_proto(node: &Node, names: &[String]) -> Result<NodeProto, OnnxError> {
    let name = |id: &Option<ValueId>| id.map_or_else(String::new, |id| names[id.index()].clone());
    let attribute = |(name, value): (&String, &Attribute)| {
        attribute_proto(name, value, names).map_err(|error| match error {
            OnnxError::Write(what) => OnnxError::Write(format!("node `{}`: {what}", node.name)),
            other => other,
        })
    };
    Ok(NodeProto {
        input: node.inputs.iter().map(name).collect(),
        output: node.outputs.iter().map(name).collect(),
        name: Some(node.name.clone()),
        op_type: Some(node.op.op_type.clone()),
        attribute: node.attributes.iter().map(attribute).collect::<Result<_, _>>()?,
        domain: Some(node.op.domain.clone()),
        overload: None,
    })
}

fn attribute_proto(
    name: &str,
    value: &Attribute,
    names: &[String],
) -> Result<AttributeProto, OnnxError> {
    let mut proto = AttributeProto { name: Some(name.to_owned()), ..AttributeProto::default() };
    let no_form =
        |what: &str| OnnxError::Write(format!("attribute `{name}` has no form in ONNX: {what}"));
    let tensor = |tensor| tensor_proto("", tensor);
    let kind = match value {
        Attribute::Int(i) => {
            proto.i = Some(*i);
            kind::INT
        }
        Attribute::Ints(ints) => {
            proto.ints.clone_from(ints);
            kind::INTS
        }
        Attribute::Float(f) => {
            proto.f = Some(*f);
            kind::FLOAT
        }
        Attribute::Floats(floats) => {
            proto.floats.clone_from(floats);
            kind::FLOATS
        }
        Attribute::String(text) => {
            proto.s = Some(text.clone().into());
            kind::STRING
        }
        Attribute::Strings(texts) => {
            proto.strings = texts.iter().map(|text| text.clone().into()).collect();
            kind::STRINGS
        }
        Attribute::Tensor(t) => {
            proto.t = Some(tensor(t));
            kind::TENSOR
        }
        Attribute::Tensors(tensors) => {
            proto.tensors = tensors.iter().map(tensor).collect();
            kind::TENSORS
        }
        Attribute::Graph(graph) => {
            proto.g = Some(graph_proto(graph, names)?);
            kind::GRAPH
        }
        Attribute::Graphs(graphs) => {
            let body = |graph| graph_proto(graph, names);
            proto.graphs = graphs.iter().map(body).collect::<Result<_, _>>()?;
            kind::GRAPHS
        }
        Attribute::Type(text) => {
            proto.tp = Some(from_words(text).ok_or_else(|| no_form(text))?);
            kind::TYPE_PROTO
        }
        other => return Err(no_form(other.kind())),
    };
    proto.r#type = Some(kind);
    Ok(proto)
}
