//! The messages of an .xmodel file: `serial_v2.Graph` and what it holds.
//!
//! Written from the field numbers that the vendor's files use (`xir_graph_proto_v2`, Xilinx/Vitis-AI b2b2279); there is
//! no other field in any known file. A file is one bare [`Graph`]: no magic number, header or checksum.

use std::collections::BTreeMap;

use prost::{Message, Oneof};

/// A whole file.
#[derive(Clone, PartialEq, Message)]
pub struct Graph {
    /// Its name: that of the PyTorch class, `deploy` for Caffe, …
    #[prost(string, tag = "1")]
    pub graph_name: String,
    /// The ops, each after those it reads.
    #[prost(message, repeated, tag = "5")]
    pub op_node: Vec<OpNode>,
    /// The tree of subgraphs.
    #[prost(message, optional, tag = "10")]
    pub subg_root: Option<SubGraph>,
    /// What is known of the whole: outputs, tools, checksums.
    #[prost(btree_map = "string, message", tag = "11")]
    pub graph_attr: BTreeMap<String, AttrValue>,
    /// The op types that the writer knew, with their arguments and attributes.
    #[prost(message, repeated, tag = "101")]
    pub op_defs: Vec<OpDef>,
}

/// An op and the tensor it makes.
#[derive(Clone, PartialEq, Message)]
pub struct OpNode {
    /// Unique in the graph.
    #[prost(string, tag = "1")]
    pub op_name: String,
    /// `conv2d`, `fix`, `conv2d-fix`, …
    #[prost(string, tag = "2")]
    pub op_type: String,
    /// Its attributes.
    #[prost(btree_map = "string, message", tag = "3")]
    pub op_attr: BTreeMap<String, AttrValue>,
    /// Its arguments; those that are not used have an empty list.
    #[prost(message, repeated, tag = "4")]
    pub args: Vec<OpArg>,
    /// What it makes.
    #[prost(message, optional, tag = "5")]
    pub output_tensor: Option<Tensor>,
}

/// An argument: the ops that it reads, by op name.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct OpArg {
    /// `input`, `weights`, `bias`, …
    #[prost(string, tag = "1")]
    pub arg_name: String,
    /// Names of ops, not of tensors.
    #[prost(string, repeated, tag = "2")]
    pub arg_ops: Vec<String>,
}

/// The tensor that an op makes.
#[derive(Clone, PartialEq, Message)]
pub struct Tensor {
    /// In a quantized file that of its op; in a compiled one that of the last op that was fused in.
    #[prost(string, tag = "1")]
    pub tensor_name: String,
    /// The shape; an unknown dimension is -1, which is 4294967295 here.
    #[prost(uint32, repeated, tag = "2")]
    pub tensor_dim: Vec<u32>,
    /// See [`crate::ElementType`].
    #[prost(int32, tag = "5")]
    pub data_type: i32,
    /// Bits of one element; 0 in files of the first compiler.
    #[prost(int32, tag = "6")]
    pub tensor_bit_width: i32,
    /// In a compiled file its fix position and its place in memory.
    #[prost(btree_map = "string, message", tag = "10")]
    pub tensor_attr: BTreeMap<String, AttrValue>,
}

/// A node of the tree of subgraphs.
#[derive(Clone, PartialEq, Message)]
pub struct SubGraph {
    /// Its name.
    #[prost(string, tag = "1")]
    pub subgraph_name: String,
    /// The ops of a leaf.
    #[prost(string, repeated, tag = "3")]
    pub op_name: Vec<String>,
    /// Device, code, parameters.
    #[prost(btree_map = "string, message", tag = "5")]
    pub subg_attr: BTreeMap<String, AttrValue>,
    /// The children, if it is no leaf.
    #[prost(message, repeated, tag = "10")]
    pub subg_child: Vec<SubGraph>,
}

/// The definition of an op type.
#[derive(Clone, PartialEq, Message)]
pub struct OpDef {
    /// The type's name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its arguments.
    #[prost(message, repeated, tag = "2")]
    pub input_args: Vec<OpArgDef>,
    /// Its attributes.
    #[prost(message, repeated, tag = "3")]
    pub attrs: Vec<AttrDef>,
    /// For people.
    #[prost(string, tag = "4")]
    pub annotation: String,
}

/// The definition of an argument.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct OpArgDef {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// 0 required, 1 optional, 2 repeated, 3 required and repeated.
    #[prost(int32, tag = "2")]
    pub occur_type: i32,
    /// See [`crate::ElementType`].
    #[prost(int32, tag = "3")]
    pub data_type: i32,
    /// For people.
    #[prost(string, tag = "4")]
    pub annotation: String,
}

/// The definition of an attribute.
#[derive(Clone, PartialEq, Message)]
pub struct AttrDef {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// 0 required, 1 optional.
    #[prost(int32, tag = "3")]
    pub occur_type: i32,
    /// What an optional one is where it is left out.
    #[prost(message, optional, tag = "4")]
    pub default_value: Option<AttrValue>,
    /// Elements of a list; 0 for any number.
    #[prost(int32, tag = "6")]
    pub list_length: i32,
    /// For people.
    #[prost(string, tag = "7")]
    pub annotation: String,
}

/// Bytes, in a message of their own.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Bytes {
    /// The bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub value: Vec<u8>,
}

/// The value of an attribute, with its type.
#[derive(Clone, PartialEq, Message)]
pub struct AttrValue {
    /// The value. A 0, an empty text or `false` is written all the same: presence tells, not the value.
    #[prost(
        oneof = "Attr",
        tags = "4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32"
    )]
    pub value: Option<Attr>,
}

/// What an attribute can be.
#[derive(Clone, PartialEq, Oneof)]
#[allow(missing_docs)] // the names are those of the file format
pub enum Attr {
    #[prost(bool, tag = "4")]
    Bool(bool),
    #[prost(int32, tag = "5")]
    Int32(i32),
    #[prost(uint32, tag = "6")]
    Uint32(u32),
    #[prost(int64, tag = "7")]
    Int64(i64),
    #[prost(uint64, tag = "8")]
    Uint64(u64),
    #[prost(float, tag = "9")]
    Float(f32),
    #[prost(double, tag = "10")]
    Double(f64),
    #[prost(string, tag = "11")]
    String(String),
    #[prost(message, tag = "12")]
    Bytes(Bytes),
    #[prost(message, tag = "13")]
    BoolVec(BoolVec),
    #[prost(message, tag = "14")]
    Int32Vec(Int32Vec),
    #[prost(message, tag = "15")]
    Uint32Vec(Uint32Vec),
    #[prost(message, tag = "16")]
    Int64Vec(Int64Vec),
    #[prost(message, tag = "17")]
    Uint64Vec(Uint64Vec),
    #[prost(message, tag = "18")]
    FloatVec(FloatVec),
    #[prost(message, tag = "19")]
    DoubleVec(DoubleVec),
    #[prost(message, tag = "20")]
    StringVec(StringVec),
    #[prost(message, tag = "21")]
    BytesVec(BytesVec),
    #[prost(message, tag = "22")]
    MapString2Int32(MapString2Int32),
    #[prost(message, tag = "23")]
    MapString2Uint32(MapString2Uint32),
    #[prost(message, tag = "24")]
    MapString2Int64(MapString2Int64),
    #[prost(message, tag = "25")]
    MapString2Uint64(MapString2Uint64),
    #[prost(message, tag = "26")]
    MapString2String(MapString2String),
    #[prost(message, tag = "27")]
    MapString2Bytes(MapString2Bytes),
    #[prost(message, tag = "28")]
    MapString2Int32Vec(MapString2Int32Vec),
    #[prost(message, tag = "29")]
    MapString2Uint32Vec(MapString2Uint32Vec),
    #[prost(message, tag = "30")]
    MapString2Int64Vec(MapString2Int64Vec),
    #[prost(message, tag = "31")]
    MapString2Uint64Vec(MapString2Uint64Vec),
    #[prost(message, tag = "32")]
    MapString2StringVec(MapString2StringVec),
}

macro_rules! lists {
    ($($name:ident: $kind:tt $rust:ty;)*) => {$(
        /// A list.
        #[derive(Clone, PartialEq, Message)]
        pub struct $name {
            /// Its elements.
            #[prost($kind, repeated, tag = "1")]
            pub value: Vec<$rust>,
        }
    )*};
}

macro_rules! maps {
    ($($name:ident: $kind:tt $rust:ty;)*) => {$(
        /// A map by name.
        #[derive(Clone, PartialEq, Message)]
        pub struct $name {
            /// Its entries.
            #[prost(btree_map = $kind, tag = "1")]
            pub value: BTreeMap<String, $rust>,
        }
    )*};
}

lists! {
    BoolVec: bool bool;
    Int32Vec: int32 i32;
    Uint32Vec: uint32 u32;
    Int64Vec: int64 i64;
    Uint64Vec: uint64 u64;
    FloatVec: float f32;
    DoubleVec: double f64;
    StringVec: string String;
    BytesVec: message Bytes;
}

maps! {
    MapString2Int32: "string, int32" i32;
    MapString2Uint32: "string, uint32" u32;
    MapString2Int64: "string, int64" i64;
    MapString2Uint64: "string, uint64" u64;
    MapString2String: "string, string" String;
    MapString2Bytes: "string, message" Bytes;
    MapString2Int32Vec: "string, message" Int32Vec;
    MapString2Uint32Vec: "string, message" Uint32Vec;
    MapString2Int64Vec: "string, message" Int64Vec;
    MapString2Uint64Vec: "string, message" Uint64Vec;
    MapString2StringVec: "string, message" StringVec;
}
