//! `vai::DequantizeLinear` (vai_q_pytorch): integers in float32 to real numbers.
//!
//! `y = f32(scale · f32(x - zero_point))`
//!
//! | | name           | type    | shape                       |
//! |-|----------------|---------|-----------------------------|
//! | 0 | `x`          | f32     | any                         |
//! | 1 | `scale`      | f32     | `[]`, or `[n]` along `axis` |
//! | 2 | `zero_point` | i8      | as `scale`                  |
//! | 3 | `axis`       | i8      | `[]`; may be left out       |
//! | → | `y`          | f32     | as `x`                      |
//!
//! The arithmetic is IEEE's: a scale of infinity gives NaN for 0, negative scales give -0. `vai_grid` tells
//! how `scale` is spread.
//!
//! Source: `load_vai_ops` of pytorch_nndct 3.5.0, Xilinx/Vitis-AI b2b2279. Vectors: `testdata/ops/vai`.

use vairun_numeric::vai;
use vairun_tensor::{DType, Tensor};

use super::parameters::expect_dtype;
use super::vai_grid::VaiGrid;
use crate::attrs::Attrs;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::quantizer::Dequantizer;
use crate::spec::NodeSpec;

/// `vai::DequantizeLinear`.
pub static DEF: OpDef = OpDef {
    names: &[("vai", "DequantizeLinear")],
    opsets: 1..=i64::MAX,
    summary: "integers in float32 to real numbers",
    types: "x, scale float32; zero_point, axis int8",
    grade: Grade::Exact("pytorch_nndct 3.5.0 load_vai_ops, onnxruntime 1.16.3"),
    build,
};

fn build(spec: &NodeSpec, _: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(3..=4)?;
    Ok(Box::new(VaiDequantizeLinear { permissive: spec.permissive }))
}

struct VaiDequantizeLinear {
    permissive: bool,
}

impl Operator for VaiDequantizeLinear {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let grid = VaiGrid::read(&inputs, 1, 3)?;
        let x = inputs.take(0, "x")?;
        let placement = grid.place(x.shape(), self.permissive)?;
        let (grids, spread) = (&placement.grids, placement.spread);
        let y = placement.elements(x)?.map(
            |x| vai::dequantize_in_place(x, grids, spread),
            |x| vai::dequantize(x, grids, spread),
        )?;
        let y = Tensor::new(&placement.shape, y)?;
        Ok(vec![y.with_dequantized(grid.origin(&placement)).into()])
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        expect_dtype("x", inputs.first().copied().flatten(), |x| x == DType::F32, "float32")?;
        Ok(vec![Some(DType::F32)])
    }

    fn dequantizer(&self, parameters: &Inputs) -> Option<Dequantizer> {
        let vai::Grid { scale, zero_point } = VaiGrid::read(parameters, 1, 3).ok()?.single()?;
        Some(Dequantizer { scale, zero_point: zero_point as i32 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::testing::{Node, f32s};

    fn node(x: &[f32], scale: Tensor, zero_point: Tensor) -> Node {
        let x = Tensor::new(&[1, x.len()], x.to_vec()).unwrap();
        Node::new("vai", "DequantizeLinear").inputs([x, scale, zero_point, Tensor::scalar(1i8)])
    }

    fn per_tensor(x: &[f32], scale: f32, zero_point: i8) -> Tensor {
        node(x, Tensor::scalar(scale), Tensor::scalar(zero_point)).run()
    }

    #[test]
    fn the_zero_point_is_subtracted_before_scaling() {
        assert_eq!(
            f32s(per_tensor(&[-128.0, 3.0, 127.0], 0.1, 3)),
            [-131.0f32 * 0.1, 0.0, 124.0f32 * 0.1]
        );
    }

    #[test]
    fn special_values_follow_ieee() {
        assert!(f32s(per_tensor(&[0.0], f32::INFINITY, 0))[0].is_nan());
        assert_eq!(f32s(per_tensor(&[0.0], -1.0, 0))[0].to_bits(), (-0.0f32).to_bits());
        assert_eq!(f32s(per_tensor(&[-2147483648.0], 0.5, 0)), [-1073741824.0]);
    }

    #[test]
    fn the_codes_stay_beside_the_numbers() {
        let y = per_tensor(&[-128.0, 127.0], 0.1, 3);
        assert_eq!(y.codes().unwrap().as_slice::<i8>().unwrap(), [-128, 127]);
        let y = per_tensor(&[0.0, 255.0], 0.5, 0);
        assert_eq!(y.codes().unwrap().as_slice::<u8>().unwrap(), [0, 255]);
        let scales = Tensor::vector(vec![0.5f32, 0.3]);
        let y = node(&[40000.0, -1.0], scales, Tensor::vector(vec![1i8, 2])).run();
        assert_eq!(y.dequantized().unwrap().axis, Some(1));
        assert_eq!(y.codes().unwrap().as_slice::<i32>().unwrap(), [40000, -1]);
    }

    #[test]
    fn numbers_that_are_no_integers_have_no_codes() {
        assert!(per_tensor(&[0.5], 1.0, 0).codes().is_none());
        assert!(per_tensor(&[f32::NAN], 1.0, 0).codes().is_none());
    }

    #[test]
    fn the_axis_may_be_left_out() {
        let mut node = node(&[1.0], Tensor::scalar(2f32), Tensor::scalar(0i8));
        node.inputs.truncate(3);
        assert_eq!(f32s(node.run()), [2.0]);
    }
}
