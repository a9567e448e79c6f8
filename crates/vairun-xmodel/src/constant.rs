use std::collections::HashMap;

use serde::Serialize;
use vairun_tensor::{DType, Tensor};

use crate::element_type::ElementType;
use crate::error::XmodelError;
use crate::model::Xmodel;
use crate::proto::{OpNode, SubGraph};

/// Where the values of a constant lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "in")]
pub enum ConstantHome {
    /// In the op itself.
    Op,
    /// In the parameters of a subgraph, in the order of the shape.
    Parameters {
        /// The subgraph.
        subgraph: String,
        /// `REG_0`
        register: String,
        /// Bytes from the beginning of the register.
        address: usize,
    },
    /// In the parameters of a subgraph for a DPU whose order vairun does not know.
    Permuted {
        /// The DPU.
        target: String,
    },
    /// Nowhere in the file.
    Absent,
}

/// Finds the values of constants, those that the compiler has moved to a subgraph's parameters included.
pub struct Constants<'a> {
    /// The subgraph with the parameters of each op.
    homes: HashMap<&'a str, &'a SubGraph>,
}

/// The attribute of a DPU subgraph that holds its parameters by register.
const PARAMETERS: &str = "reg_id_to_parameter_value";

impl<'a> Constants<'a> {
    /// Looks through the subgraphs of a file.
    pub fn of(model: &'a Xmodel) -> Self {
        let mut homes = HashMap::new();
        let mut open: Vec<(&SubGraph, Option<&SubGraph>)> =
            model.graph().subg_root.iter().map(|root| (root, None)).collect();
        while let Some((subgraph, around)) = open.pop() {
            let holds = subgraph.subg_attr.contains_key(PARAMETERS);
            let home = if holds { Some(subgraph) } else { around };
            if let Some(home) = home {
                homes.extend(subgraph.op_name.iter().map(|op| (op.as_str(), home)));
            }
            open.extend(subgraph.subg_child.iter().map(|child| (child, home)));
        }
        Self { homes }
    }

    /// Where the values of a `const` or `const-fix` op lie.
    pub fn home(&self, op: &OpNode) -> ConstantHome {
        if !data_of(op).is_empty() || op.shape().is_some_and(|shape| shape.contains(&0)) {
            return ConstantHome::Op;
        }
        self.parameters(op).unwrap_or(ConstantHome::Absent)
    }

    fn parameters(&self, op: &OpNode) -> Option<ConstantHome> {
        let subgraph = self.homes.get(op.op_name.as_str())?;
        let target = subgraph.subg_attr.get("dpu_name").and_then(|name| name.as_str())?;
        let register = op.quantizer_int("reg_id")?;
        let address = usize::try_from(op.quantizer_int("ddr_addr")?).ok()?;
        // Other DPUs permute and pad: DPUCVDX8G and DPUCAHX8H files hold no tensor in the order of its shape.
        if !target.starts_with("DPUCZDX8G") {
            return Some(ConstantHome::Permuted { target: target.to_owned() });
        }
        let subgraph = subgraph.subgraph_name.clone();
        Some(ConstantHome::Parameters { subgraph, register: format!("REG_{register}"), address })
    }

    /// The values of a `const` or `const-fix` op.
    ///
    /// # Errors
    /// An element type without a [`DType`], a number of bytes that the shape does not have, values that are absent or
    /// permuted.
    pub fn values(&self, op: &OpNode) -> Result<Tensor, XmodelError> {
        let wrong = |problem: String| XmodelError::Op {
            op: op.op_name.clone(),
            op_type: op.op_type.clone(),
            problem,
        };
        let shape = op.shape().ok_or_else(|| wrong("its shape is not known".into()))?;
        let dtype = element_type(op).and_then(ElementType::dtype);
        let dtype =
            dtype.ok_or_else(|| wrong("its element type is none that can be read".into()))?;
        let bytes = match self.home(op) {
            ConstantHome::Op => data_of(op),
            ConstantHome::Parameters { register, address, .. } => self
                .in_parameters(op, &register, address, byte_count(dtype, &shape))
                .ok_or_else(|| wrong(format!("{register} of its subgraph does not hold it")))?,
            ConstantHome::Permuted { target } => {
                return Err(wrong(format!(
                    "its values lie in the parameters for {target}, whose order is not known; the quantized xmodel has them"
                )));
            }
            ConstantHome::Absent => return Err(wrong("the file does not hold its values".into())),
        };
        Tensor::from_le_bytes(dtype, &shape, bytes).map_err(|error| wrong(error.to_string()))
    }

    fn in_parameters(
        &self,
        op: &OpNode,
        register: &str,
        address: usize,
        length: Option<usize>,
    ) -> Option<&'a [u8]> {
        let subgraph = self.homes.get(op.op_name.as_str())?;
        let parameters = subgraph.subg_attr.get(PARAMETERS)?.bytes_of(register)?;
        parameters.get(address..address.checked_add(length?)?)
    }
}

fn data_of(op: &OpNode) -> &[u8] {
    op.op_attr.get("data").and_then(|data| data.as_bytes()).unwrap_or(&[])
}

/// The type of the tensor; where that is of the old numbering, the one the op names.
fn element_type(op: &OpNode) -> Option<ElementType> {
    let named = || ElementType::from_name(op.op_attr.get("data_type")?.as_str()?);
    op.element_type().filter(|element| !element.is_legacy()).or_else(named)
}

/// Bytes of a tensor in a file. Narrow types would be packed, in an order that no known file shows: they have none.
fn byte_count(dtype: DType, shape: &[usize]) -> Option<usize> {
    let bytes = dtype.bits().filter(|bits| bits % 8 == 0)? / 8;
    shape.iter().try_fold(bytes, |n, &dim| n.checked_mul(dim))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Attr, AttrValue, Bytes, Graph, MapString2Bytes, Tensor as TensorProto};

    fn attr(attr: Attr) -> AttrValue {
        AttrValue { value: Some(attr) }
    }

    fn constant(op_type: &str, data_type: i32, bits: i32, data: &[u8]) -> OpNode {
        let data = attr(Attr::Bytes(Bytes { value: data.to_vec() }));
        OpNode {
            op_name: "w".into(),
            op_type: op_type.into(),
            op_attr: [("data".into(), data)].into(),
            output_tensor: Some(TensorProto {
                tensor_dim: vec![2],
                data_type,
                tensor_bit_width: bits,
                ..TensorProto::default()
            }),
            ..OpNode::default()
        }
    }

    /// A compiled file with the parameters 1, 2, 3, 4 and a constant at `address`.
    fn compiled(target: &str, address: i32) -> Xmodel {
        let mut op = constant("const-fix", 2, 8, &[]);
        let tensor = op.output_tensor.as_mut().unwrap();
        tensor.tensor_attr.insert("reg_id".into(), attr(Attr::Int32(0)));
        tensor.tensor_attr.insert("ddr_addr".into(), attr(Attr::Int32(address)));
        let leaf = SubGraph { op_name: vec!["w".into()], ..SubGraph::default() };
        let bytes = Bytes { value: vec![1, 2, 3, 0xfc] };
        let parameters = MapString2Bytes { value: [("REG_0".into(), bytes)].into() };
        let dpu = SubGraph {
            subg_attr: [
                ("dpu_name".into(), attr(Attr::String(target.into()))),
                (PARAMETERS.into(), attr(Attr::MapString2Bytes(parameters))),
            ]
            .into(),
            subg_child: vec![leaf],
            ..SubGraph::default()
        };
        let subg_root = Some(SubGraph { subg_child: vec![dpu], ..SubGraph::default() });
        Xmodel::from_graph(Graph { op_node: vec![op], subg_root, ..Graph::default() })
    }

    fn values(model: &Xmodel) -> Result<Tensor, XmodelError> {
        Constants::of(model).values(&model.graph().op_node[0])
    }

    #[test]
    fn values_of_the_op_are_little_endian() {
        let op = constant("const", 4, 32, &[0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]);
        let model = Xmodel::from_graph(Graph { op_node: vec![op], ..Graph::default() });
        assert_eq!(values(&model).unwrap().as_slice::<f32>().unwrap(), [1.0, -2.0]);
    }

    #[test]
    fn values_that_the_compiler_moved_are_found_at_their_address() {
        let found = values(&compiled("DPUCZDX8G_ISA1_B4096", 2)).unwrap();
        assert_eq!(found.as_slice::<i8>().unwrap(), [3, -4]);
    }

    #[test]
    fn an_address_beyond_the_parameters_is_an_error() {
        for address in [3, -1, i32::MAX] {
            let error = values(&compiled("DPUCZDX8G_ISA1_B4096", address)).unwrap_err().to_string();
            assert!(error.starts_with("op `w` (const-fix): "), "{error}");
        }
    }

    #[test]
    fn permuted_parameters_are_not_taken_for_values() {
        let error = values(&compiled("DPUCAHX8H_ISA2", 0)).unwrap_err().to_string();
        assert!(error.contains("order is not known"), "{error}");
    }

    #[test]
    fn a_shape_that_the_data_does_not_fill_is_an_error() {
        let op = constant("const", 4, 32, &[0; 7]);
        let model = Xmodel::from_graph(Graph { op_node: vec![op], ..Graph::default() });
        assert!(values(&model).unwrap_err().to_string().contains("7 bytes"));
    }
}
