//! Nodes of this domain in a test.

use vairun_graph::dtype_to_onnx;
use vairun_tensor::DType;

pub(crate) use crate::common::testing::*;

/// A node whose output is real until [`Case::codes_out`] says otherwise.
pub(crate) fn xir(op_type: &str) -> Case {
    node_in(("xir", op_type)).int("output_type", dtype_to_onnx(DType::F32))
}

impl Case {
    /// With codes of these fix positions as inputs.
    pub(crate) fn codes_in(self, fix_points: &[i64]) -> Self {
        self.ints("input_fix_points", fix_points)
    }

    /// With codes as output.
    pub(crate) fn codes_out(self, dtype: DType, fix_point: i64) -> Self {
        self.int("output_type", dtype_to_onnx(dtype)).int("output_fix_point", fix_point)
    }
}
