//! `AttributeProto` to [`Attribute`].

use std::collections::HashMap;

use vairun_graph::{Attribute, Attributes, Graph};

use super::{Lowering, Place};
use crate::error::Fault;
use crate::proto::{AttributeProto, NodeProto, attribute_type as kind};
use crate::types::words;

/// The attributes that a call gives to a function.
#[derive(Default)]
pub(crate) struct Bindings<'p> {
    pub(crate) by_name: HashMap<&'p str, Attribute>,
    /// The graph in which bodies among them capture.
    pub(crate) depth: usize,
}

impl<'p> Lowering<'p> {
    /// The attributes of a node; faults are collected.
    pub(super) fn attributes(
        &mut self,
        node: &'p NodeProto,
        place: &Place<'_, 'p>,
        path: &dyn Fn() -> String,
    ) -> Attributes {
        let mut attributes = Attributes::new();
        for proto in &node.attribute {
            let name = proto.name.as_deref().unwrap_or_default();
            match self.attribute(proto, place, path) {
                Ok(_) if name.is_empty() => {
                    self.problems.add(path(), Fault::malformed("an attribute without a name"));
                }
                Ok(Some(value)) => {
                    if attributes.insert(written_name(node, name).to_owned(), value).is_some() {
                        let twice = Fault::malformed(format!("attribute `{name}` is given twice"));
                        self.problems.add(path(), twice);
                    }
                }
                Ok(None) => {}
                Err(fault) => {
                    self.problems.add(path(), fault.within(&format!("attribute `{name}`")));
                }
            }
        }
        attributes
    }

    /// `None` where the value is that of an attribute of the function, which the call leaves out.
    pub(super) fn attribute(
        &mut self,
        proto: &'p AttributeProto,
        place: &Place<'_, 'p>,
        path: &dyn Fn() -> String,
    ) -> Result<Option<Attribute>, Fault> {
        if let Some(outer) = proto.ref_attr_name.as_deref().filter(|name| !name.is_empty()) {
            let bindings = place.bindings.ok_or_else(|| {
                Fault::malformed(format!(
                    "refers to attribute `{outer}` of a function, outside of one"
                ))
            })?;
            return Ok(self.bound(bindings, outer));
        }
        Ok(Some(
            match proto.r#type.filter(|&kind| kind != 0).unwrap_or_else(|| kind_by_field(proto)) {
                kind::FLOAT => Attribute::Float(proto.f.unwrap_or_default()),
                kind::INT => Attribute::Int(proto.i.unwrap_or_default()),
                kind::STRING => Attribute::String(proto.s.clone().unwrap_or_default().into()),
                kind::FLOATS => Attribute::Floats(proto.floats.clone()),
                kind::INTS => Attribute::Ints(proto.ints.clone()),
                kind::STRINGS => {
                    Attribute::Strings(proto.strings.iter().map(|text| text.to_vec()).collect())
                }
                kind::TENSOR => Attribute::Tensor(self.tensors.tensor(given("t", &proto.t)?)?),
                kind::TENSORS => Attribute::Tensors(
                    proto
                        .tensors
                        .iter()
                        .map(|t| self.tensors.tensor(t))
                        .collect::<Result<_, _>>()?,
                ),
                kind::SPARSE_TENSOR => Attribute::Tensor(
                    self.tensors.sparse(given("sparse_tensor", &proto.sparse_tensor)?)?,
                ),
                kind::GRAPH => {
                    let graph = given("g", &proto.g)?;
                    Attribute::Graph(Box::new(self.body(graph, proto, place, path)))
                }
                kind::GRAPHS => Attribute::Graphs(
                    proto.graphs.iter().map(|graph| self.body(graph, proto, place, path)).collect(),
                ),
                kind::TYPE_PROTO => Attribute::Type(words(given("tp", &proto.tp)?)),
                kind::SPARSE_TENSORS => return Err(Fault::unsupported("a list of sparse tensors")),
                kind::TYPE_PROTOS => return Err(Fault::unsupported("a list of types")),
                other => {
                    return Err(Fault::malformed(format!(
                        "attribute type {other}, which ONNX does not define"
                    )));
                }
            },
        ))
    }

    fn body(
        &mut self,
        graph: &'p crate::proto::GraphProto,
        attribute: &AttributeProto,
        place: &Place<'_, 'p>,
        path: &dyn Fn() -> String,
    ) -> Graph {
        let name = attribute.name.as_deref().unwrap_or_default();
        let path = format!("{}.{name}", path());
        self.graph(graph, Some(place), &path)
    }

    fn bound(&mut self, bindings: &Bindings<'p>, name: &str) -> Option<Attribute> {
        let mut value = bindings.by_name.get(name)?.clone();
        let bodies = match &mut value {
            Attribute::Graph(graph) => std::slice::from_mut(&mut **graph),
            Attribute::Graphs(graphs) => graphs,
            _ => &mut [],
        };
        let captures = bodies.iter_mut().flat_map(|body| &mut body.captures);
        captures.for_each(|capture| {
            capture.outer = self.scopes.bring(bindings.depth, capture.outer);
        });
        Some(value)
    }
}

/// A sparse constant is dense here, so it is a `value` like any other.
fn written_name<'a>(node: &NodeProto, name: &'a str) -> &'a str {
    let constant = node.op_type.as_deref() == Some("Constant");
    if constant && name == "sparse_value" { "value" } else { name }
}

fn given<'a, T>(field: &str, value: &'a Option<T>) -> Result<&'a T, Fault> {
    value.as_ref().ok_or_else(|| Fault::malformed(format!("no `{field}`, which its type asks for")))
}

/// Files before IR version 2 have no `type`: the one field that is given tells it.
fn kind_by_field(proto: &AttributeProto) -> i32 {
    let given = [
        (proto.f.is_some(), kind::FLOAT),
        (proto.i.is_some(), kind::INT),
        (proto.s.is_some(), kind::STRING),
        (proto.t.is_some(), kind::TENSOR),
        (proto.g.is_some(), kind::GRAPH),
        (!proto.floats.is_empty(), kind::FLOATS),
        (!proto.ints.is_empty(), kind::INTS),
        (!proto.strings.is_empty(), kind::STRINGS),
        (!proto.tensors.is_empty(), kind::TENSORS),
        (!proto.graphs.is_empty(), kind::GRAPHS),
        (proto.sparse_tensor.is_some(), kind::SPARSE_TENSOR),
        (proto.tp.is_some(), kind::TYPE_PROTO),
    ];
    // Nothing given is an empty list in such files, and INTS is the only kind they leave empty.
    given.into_iter().find(|(is_given, _)| *is_given).map_or(kind::INTS, |(_, kind)| kind)
}
