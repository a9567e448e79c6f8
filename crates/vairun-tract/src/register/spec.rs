use std::sync::Arc;

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::{AttributeProto, NodeProto};
use tract_onnx::prelude::{IntoArcTensor, TractError, TractResult};
use vairun_graph::{Attribute, Attributes, OpId};
use vairun_ops::{InputSpec, NodeSpec, Operator, OwnOps, Provider};
use vairun_tensor::{DType, Tensor};

use crate::convert::from_tract;

/// A node of tract's protobuf as vairun's operators read it.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) op: OpId,
    name: String,
    attributes: Attributes,
    /// Whether each input is given.
    inputs: Vec<bool>,
    outputs: Vec<String>,
}

impl Node {
    pub(super) fn read(context: &ParsingContext, node: &NodeProto) -> TractResult<Self> {
        let (domain, op_type) = node.op_type.split_once("::").unwrap_or(("", &node.op_type));
        let imports = &context.model.opset_import;
        let version =
            imports.iter().find(|import| import.domain == domain).map(|import| import.version);
        let opset = if domain.is_empty() {
            context.onnx_operator_set_version
        } else {
            version.unwrap_or(1)
        };
        let named =
            |attribute: &AttributeProto| Ok((attribute.name.clone(), value(context, attribute)?));
        Ok(Self {
            op: OpId::new(domain, op_type, opset),
            name: node.name.clone(),
            attributes: node.attribute.iter().map(named).collect::<TractResult<_>>()?,
            inputs: node.input.iter().map(|name| !name.is_empty()).collect(),
            outputs: node.output.iter().filter(|name| !name.is_empty()).cloned().collect(),
        })
    }

    pub(super) fn output_count(&self) -> usize {
        self.outputs.len()
    }

    /// How many inputs are given.
    pub(super) fn input_count(&self) -> usize {
        self.inputs.iter().filter(|given| **given).count()
    }

    /// One entry for each input of the node, from one for each that is given.
    pub(super) fn spread<T>(&self, given: impl IntoIterator<Item = T>) -> Vec<Option<T>> {
        let mut given = given.into_iter();
        self.inputs.iter().map(|&is_given| if is_given { given.next() } else { None }).collect()
    }

    /// The operator; `known` tells the type and the value, where constant, of each input that is given.
    pub(super) fn operator(
        &self,
        known: &[(DType, Option<Tensor>)],
    ) -> TractResult<Arc<dyn Operator>> {
        let input = |(dtype, constant): &'_ (DType, Option<Tensor>)| (*dtype, constant.clone());
        let known: Vec<_> = self.spread(known.iter().map(input));
        let inputs = known.iter().map(|known| {
            known.as_ref().map(|(dtype, constant)| InputSpec {
                name: "",
                dtype: Some(*dtype),
                constant: constant.as_ref(),
                fixed: constant.is_some(),
            })
        });
        let spec = NodeSpec {
            name: &self.name,
            op: &self.op,
            attributes: &self.attributes,
            inputs: inputs.collect(),
            outputs: self.outputs.iter().map(|name| Some(name.as_str())).collect(),
            permissive: false,
            isa: vairun_numeric::kernel::Isa::best(),
        };
        let built = OwnOps
            .build(&spec)
            .ok_or_else(|| self.error("no such operator at this opset version"))?;
        Ok(built.map_err(|error| self.error(error))?.into())
    }

    /// `node `q1` (vai::QuantizeLinear): …`
    pub(super) fn error(&self, problem: impl std::fmt::Display) -> TractError {
        TractError::msg(format!("node `{}` ({}): {problem}", self.name, self.op))
    }
}

fn value(context: &ParsingContext, proto: &AttributeProto) -> TractResult<Attribute> {
    Ok(match AttributeType::try_from(proto.r#type) {
        Ok(AttributeType::Int) => Attribute::Int(proto.i),
        Ok(AttributeType::Float) => Attribute::Float(proto.f),
        Ok(AttributeType::String) => Attribute::String(proto.s.clone()),
        Ok(AttributeType::Ints) => Attribute::Ints(proto.ints.clone()),
        Ok(AttributeType::Floats) => Attribute::Floats(proto.floats.clone()),
        Ok(AttributeType::Strings) => Attribute::Strings(proto.strings.clone()),
        Ok(AttributeType::Tensor) => {
            let tensor = proto
                .t
                .as_ref()
                .ok_or_else(|| TractError::msg("a TENSOR attribute without tensor"))?;
            Attribute::Tensor(from_tract(context.load_tensor(tensor)?.into_arc_tensor())?)
        }
        _ => {
            return Err(TractError::msg(format!(
                "attribute `{}` is of a kind that vairun's operators do not have",
                proto.name
            )));
        }
    })
}
