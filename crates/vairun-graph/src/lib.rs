//! The intermediate representation of a model.
//!
//! A [`Graph`] is a list of [`Node`]s over values named as in the user's file. Front ends (`vairun-onnx`,
//! `vairun-xmodel`) make it, `vairun-exec` runs it. The crate does not know how anything is computed.
//!
//! What holds in every graph that a front end returns: names of values are unique within their graph; each value has
//! at most one producer; local functions are inlined; a body ([`Attribute::Graph`]) reads outer values only through
//! its [`Graph::captures`]. [`Graph::validate`] checks it.

mod attribute;
mod extract;
mod graph;
mod node;
mod text;
mod validate;

pub use attribute::{Attribute, Attributes};
pub use extract::ExtractError;
pub use graph::{Capture, Dim, Graph, Model, OpsetId, ValueId, ValueInfo};
pub use node::{Node, OpId};
pub use validate::GraphError;

use vairun_tensor::DType;

/// ONNX's numbers of the element types (`TensorProto.DataType`), each with its type.
const ONNX_DTYPES: [(i64, DType); 24] = {
    use DType::*;
    [
        (1, F32),
        (2, U8),
        (3, I8),
        (4, U16),
        (5, I16),
        (6, I32),
        (7, I64),
        (8, String),
        (9, Bool),
        (10, F16),
        (11, F64),
        (12, U32),
        (13, U64),
        (16, BF16),
        (17, F8E4M3FN),
        (18, F8E4M3FNUZ),
        (19, F8E5M2),
        (20, F8E5M2FNUZ),
        (21, U4),
        (22, I4),
        (23, F4E2M1),
        (24, F8E8M0),
        (25, U2),
        (26, I2),
    ]
};

/// The element type with that number in ONNX; `None` for complex numbers and for numbers that ONNX has not given.
pub fn dtype_from_onnx(code: i64) -> Option<DType> {
    ONNX_DTYPES.iter().find(|(number, _)| *number == code).map(|&(_, dtype)| dtype)
}

/// ONNX's number of an element type.
pub fn dtype_to_onnx(dtype: DType) -> i64 {
    ONNX_DTYPES.iter().find(|(_, known)| *known == dtype).map_or(0, |&(number, _)| number)
}
