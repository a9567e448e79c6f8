use std::fmt::{self, Write};
use std::path::Path;

use md5::{Digest, Md5};
use prost::Message;
use serde::Serialize;

use crate::element_type::ElementType;
use crate::error::XmodelError;
use crate::proto::{Graph, OpNode, SubGraph};

/// A file that has been read.
#[derive(Clone, Debug)]
pub struct Xmodel {
    graph: Graph,
    size: usize,
    md5: String,
}

/// What kind of file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// Float ops and `fix` ops, as the quantizer writes them.
    Quantized,
    /// Without any `fix` op.
    Float,
    /// Ops on integers and code for a DPU.
    Compiled,
    /// As compiled, by xcompiler 1.1 (2020), with another numbering of types: can be listed, not run.
    Legacy,
    /// Instructions and weights of a recurrent network without ops: can be listed, not run.
    Rnn,
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Quantized => "quantized",
            Self::Float => "float",
            Self::Compiled => "compiled",
            Self::Legacy => "compiled by xcompiler 1.1",
            Self::Rnn => "RNN container",
        })
    }
}

impl Xmodel {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`XmodelError::Io`], [`XmodelError::Malformed`].
    pub fn open(path: &Path) -> Result<Self, XmodelError> {
        Self::from_bytes(&std::fs::read(path)?)
    }

    /// Reads the bytes of a file. Allocates in proportion to their number, whatever they claim.
    ///
    /// # Errors
    /// [`XmodelError::Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, XmodelError> {
        // Protobuf takes the empty message for a valid one.
        if bytes.is_empty() {
            return Err(XmodelError::Malformed("no bytes".into()));
        }
        let graph = Graph::decode(bytes)?;
        Ok(Self { graph, size: bytes.len(), md5: hex(&Md5::digest(bytes)) })
    }

    /// From a graph made in memory.
    pub fn from_graph(graph: Graph) -> Self {
        let bytes = graph.encode_to_vec();
        Self { graph, size: bytes.len(), md5: hex(&Md5::digest(&bytes)) }
    }

    /// Whether `bytes`, the beginning of a file, look like an .xmodel: fields of a `serial_v2.Graph`, the first of
    /// which no ONNX file can begin with.
    pub fn sniff(bytes: &[u8]) -> bool {
        // Field 1 (name), 5 (op), 10 (subgraphs) or 11 (attributes), each with a length. ONNX has numbers at 1 and 5
        // and a graph only at 7; its field 10 does not exist, 11 is no message of a model.
        matches!(bytes.first(), Some(0x0a | 0x2a | 0x52 | 0x5a))
    }

    /// The bytes of a file with this content; maps are sorted by name.
    pub fn encode(&self) -> Vec<u8> {
        self.graph.encode_to_vec()
    }

    /// The content.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The content.
    pub fn into_graph(self) -> Graph {
        self.graph
    }

    /// Bytes of the file.
    pub fn size(&self) -> usize {
        self.size
    }

    /// MD5 of the file, as compiled files name their source, in hexadecimal digits.
    pub fn md5(&self) -> &str {
        &self.md5
    }

    /// What kind of file it is.
    pub fn kind(&self) -> FileKind {
        let ops = &self.graph.op_node;
        if self.subgraphs().iter().any(|s| s.subg_attr.keys().any(|k| k.ends_with("_bin_instr"))) {
            FileKind::Rnn
        } else if ops.iter().any(|op| op.element_type().is_some_and(ElementType::is_legacy)) {
            FileKind::Legacy
        } else if self.subgraphs().iter().any(|subgraph| subgraph.is_compiled()) {
            FileKind::Compiled
        } else if ops.iter().any(|op| op.op_type == "fix") {
            FileKind::Quantized
        } else {
            FileKind::Float
        }
    }

    /// Every subgraph, each before its children.
    pub fn subgraphs(&self) -> Vec<&SubGraph> {
        let mut found = Vec::new();
        let mut open: Vec<&SubGraph> = self.graph.subg_root.iter().collect();
        while let Some(subgraph) = open.pop() {
            found.push(subgraph);
            open.extend(subgraph.subg_child.iter().rev());
        }
        found
    }
}

impl SubGraph {
    /// `USER`, `CPU` or `DPU`, where it is said.
    pub fn device(&self) -> Option<&str> {
        self.subg_attr.get("device")?.as_str()
    }

    fn is_compiled(&self) -> bool {
        self.subg_attr.contains_key("mc_code") || self.device() == Some("DPU")
    }
}

impl OpNode {
    /// The name of its tensor; that of the op where the file says nothing.
    pub fn tensor_name(&self) -> &str {
        let named = self.output_tensor.as_ref().map(|tensor| tensor.tensor_name.as_str());
        named.filter(|name| !name.is_empty()).unwrap_or(&self.op_name)
    }

    /// The element type of its tensor.
    pub fn element_type(&self) -> Option<ElementType> {
        let tensor = self.output_tensor.as_ref()?;
        Some(ElementType::new(tensor.data_type, tensor.tensor_bit_width))
    }

    /// The shape of its tensor; `None` where a dimension is unknown.
    pub fn shape(&self) -> Option<Vec<usize>> {
        let dims = &self.output_tensor.as_ref()?.tensor_dim;
        let known = |&dim: &u32| usize::try_from(dim).ok().filter(|_| dim < u32::MAX);
        dims.iter().map(known).collect()
    }

    /// An integer attribute of the op, else of its tensor: compiled files keep the quantization there.
    pub fn quantizer_int(&self, name: &str) -> Option<i64> {
        let of_tensor = || self.output_tensor.as_ref()?.tensor_attr.get(name);
        self.op_attr.get(name).or_else(of_tensor)?.as_int()
    }

    /// As [`OpNode::quantizer_int`], for a text.
    pub fn quantizer_str(&self, name: &str) -> Option<&str> {
        let of_tensor = || self.output_tensor.as_ref()?.tensor_attr.get(name);
        self.op_attr.get(name).or_else(of_tensor)?.as_str()
    }

    /// The ops that argument `name` reads.
    pub fn arg(&self, name: &str) -> &[String] {
        let found = self.args.iter().find(|arg| arg.arg_name == name);
        found.map_or(&[], |arg| &arg.arg_ops)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Attr, AttrValue, Tensor};

    fn op(op_type: &str, bits: i32) -> OpNode {
        let output_tensor = Some(Tensor { tensor_bit_width: bits, ..Tensor::default() });
        OpNode { op_type: op_type.into(), output_tensor, ..OpNode::default() }
    }

    #[test]
    fn kinds_are_told_apart() {
        let kind = |op_node: Vec<OpNode>, attrs: &[&str]| {
            let subg_attr = attrs.iter().map(|&name| (name.into(), AttrValue::default())).collect();
            let subg_root = Some(SubGraph { subg_attr, ..SubGraph::default() });
            Xmodel::from_graph(Graph { op_node, subg_root, ..Graph::default() }).kind()
        };
        assert_eq!(kind(vec![op("fix", 32)], &[]), FileKind::Quantized);
        assert_eq!(kind(vec![op("relu", 32)], &[]), FileKind::Float);
        assert_eq!(kind(vec![op("conv2d-fix", 8)], &["mc_code"]), FileKind::Compiled);
        assert_eq!(kind(vec![op("conv2d-fix", 0)], &["mc_code"]), FileKind::Legacy);
        assert_eq!(kind(vec![op("data", 32)], &["init_bin_instr"]), FileKind::Rnn);
    }

    #[test]
    fn an_unknown_dimension_makes_no_shape() {
        let mut op = op("data", 32);
        op.output_tensor.as_mut().unwrap().tensor_dim = vec![1, u32::MAX];
        assert_eq!(op.shape(), None);
        op.output_tensor.as_mut().unwrap().tensor_dim = vec![1, 3];
        assert_eq!(op.shape(), Some(vec![1, 3]));
    }

    #[test]
    fn nothing_is_no_xmodel_and_an_onnx_file_is_not_taken_for_one() {
        assert_eq!(Xmodel::from_bytes(&[]).unwrap_err().to_string(), "no xmodel: no bytes");
        assert!(!Xmodel::sniff(&[0x08, 0x07, 0x12, 0x07]));
        assert!(Xmodel::sniff(&[0x0a, 0x03, b'C', b'N', b'N']));
    }

    #[test]
    fn quantization_is_read_from_the_op_then_from_its_tensor() {
        let mut op = op("conv2d-fix", 8);
        let value = AttrValue { value: Some(Attr::Int32(5)) };
        op.output_tensor.as_mut().unwrap().tensor_attr.insert("fix_point".into(), value);
        assert_eq!(op.quantizer_int("fix_point"), Some(5));
        op.op_attr.insert("fix_point".into(), AttrValue { value: Some(Attr::Int32(-2)) });
        assert_eq!(op.quantizer_int("fix_point"), Some(-2));
    }
}
