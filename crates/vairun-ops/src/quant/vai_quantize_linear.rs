//! `vai::QuantizeLinear` (vai_q_pytorch): real numbers to integers that stay in float32.
//!
//! `y = round(clip(f32(f32(x / scale) + zero_point), valmin, valmax))`, then through a C `int`.
//!
//! | | name         | type    | shape                       |
//! |-|--------------|---------|-----------------------------|
//! | 0 | `x`          | f32   | any                         |
//! | 1 | `valmin`     | i32   | `[]`                        |
//! | 2 | `valmax`     | i32   | `[]`                        |
//! | 3 | `scale`      | f32   | `[]`, or `[n]` along `axis` |
//! | 4 | `zero_point` | i8    | as `scale`                  |
//! | 5 | `method`     | i8    | `[]`: 2 to 8, see [`Round`] |
//! | 6 | `axis`       | i8    | `[]`; may be left out       |
//! | → | `y`          | f32   | as `x`                      |
//!
//! NaN gives -2147483648, infinities the bounds, no result is -0. A method outside of 2 to 8 is refused; with
//! `permissive` it gives 0 for every input, as the reference does. `vai_grid` tells how `scale` is spread.
//!
//! Source: `load_vai_ops` of pytorch_nndct 3.5.0, Xilinx/Vitis-AI b2b2279. Vectors: `testdata/ops/vai`.

use vairun_numeric::round::Round;
use vairun_numeric::vai::{Grid, Rule};
use vairun_tensor::{DType, Tensor};

use super::parameters::{check_constant, expect_dtype, integer};
use super::vai_grid::VaiGrid;
use crate::attrs::Attrs;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::quantizer::Quantizer;
use crate::spec::NodeSpec;

/// `vai::QuantizeLinear`.
pub static DEF: OpDef = OpDef {
    names: &[("vai", "QuantizeLinear")],
    opsets: 1..=i64::MAX,
    summary: "real numbers to integers in float32, with the range and the rounding method as inputs",
    types: "x, scale float32; valmin, valmax int32; zero_point, method, axis int8",
    grade: Grade::Exact("pytorch_nndct 3.5.0 load_vai_ops, onnxruntime 1.16.3"),
    build,
};

fn build(spec: &NodeSpec, _: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(6..=7)?;
    let permissive = spec.permissive;
    check_constant(spec, 5, |tensor| method(tensor, permissive))?;
    Ok(Box::new(VaiQuantizeLinear { permissive }))
}

struct VaiQuantizeLinear {
    permissive: bool,
}

/// The rounding rule; `None` for an unknown code where that is permitted.
pub(super) fn method(tensor: &Tensor, permissive: bool) -> Result<Option<Round>, OpError> {
    let code = integer(tensor, "method")?;
    match Round::from_vai(code) {
        None if !permissive => Err(OpError::Value {
            input: "method".into(),
            got: code.to_string(),
            expected: "2 (half up), 3 (half away from zero), 4 (floor), 5 (half up below zero, half even above), \
                       6 (half toward zero), 7 (ceil) or 8 (half even)"
                .into(),
        }),
        round => Ok(round),
    }
}

/// A bound of the range, which has 32 bits.
fn bound(inputs: &Inputs, index: usize, name: &'static str) -> Result<i32, OpError> {
    let value = integer(inputs.tensor(index, name)?, name)?;
    i32::try_from(value).map_err(|_| OpError::Value {
        input: name.into(),
        got: value.to_string(),
        expected: "a value of 32 bits".into(),
    })
}

impl Operator for VaiQuantizeLinear {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let rule = Rule {
            low: bound(&inputs, 1, "valmin")?,
            high: bound(&inputs, 2, "valmax")?,
            round: method(inputs.tensor(5, "method")?, self.permissive)?,
        };
        let grid = VaiGrid::read(&inputs, 3, 6)?;
        let x = inputs.take(0, "x")?;
        let placement = grid.place(x.shape(), self.permissive)?;
        let (grids, spread) = (&placement.grids, placement.spread);
        let y = placement.elements(x)?.map(
            |x| rule.quantize_in_place(x, grids, spread),
            |x| rule.quantize(x, grids, spread),
        )?;
        Ok(vec![Tensor::new(&placement.shape, y)?.into()])
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        expect_dtype("x", inputs.first().copied().flatten(), |x| x == DType::F32, "float32")?;
        Ok(vec![Some(DType::F32)])
    }

    fn quantizer(&self, parameters: &Inputs) -> Option<Quantizer> {
        let round = method(parameters.tensor(5, "method").ok()?, self.permissive).ok()??;
        let Grid { scale, zero_point } = VaiGrid::read(parameters, 3, 6).ok()?.single()?;
        let (low, high) =
            (bound(parameters, 1, "valmin").ok()?, bound(parameters, 2, "valmax").ok()?);
        Some(Quantizer {
            scale,
            zero_point: zero_point as i32,
            low,
            high,
            round,
            zero_inside: true,
            below: f32::INFINITY,
            dtype: DType::F32,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::testing::{Node, f32s};

    fn node(method: i8) -> Node {
        Node::new("vai", "QuantizeLinear").inputs([
            Tensor::vector(vec![-2.5f32, 2.5, 1000.0, f32::NAN]),
            Tensor::scalar(-128i32),
            Tensor::scalar(127i32),
            Tensor::scalar(1f32),
            Tensor::scalar(0i8),
            Tensor::scalar(method),
            Tensor::scalar(1i8),
        ])
    }

    #[test]
    fn each_method_rounds_its_way_and_clips() {
        let ties = [
            (2, -2., 3.),
            (3, -3., 3.),
            (4, -3., 2.),
            (5, -2., 2.),
            (6, -2., 2.),
            (7, -2., 3.),
            (8, -2., 2.),
        ];
        for (method, below, above) in ties {
            assert_eq!(f32s(node(method).run()), [below, above, 127.0, -2147483648.0], "{method}");
        }
    }

    #[test]
    fn the_axis_may_be_left_out() {
        let mut node = node(2);
        node.inputs.truncate(6);
        assert_eq!(f32s(node.run())[0], -2.0);
    }

    #[test]
    fn an_unknown_method_is_refused_before_the_run() {
        for method in [-1, 0, 1, 9] {
            let error = node(method).refused();
            assert!(
                error.starts_with(&format!("`method` is {method}, expected 2 (half up)")),
                "{error}"
            );
        }
    }

    #[test]
    fn an_unknown_method_that_arrives_at_run_time_fails_the_node() {
        let error = node(9).without_constants().fails();
        assert!(error.starts_with("method is 9, expected 2"), "{error}");
    }

    #[test]
    fn permissive_gives_zero_for_an_unknown_method() {
        assert_eq!(f32s(node(9).permissive().run()), [0.0; 4]);
    }

    #[test]
    fn a_shared_input_is_left_alone() {
        let node = node(8);
        let x = node.inputs[0].clone();
        let y = node.run();
        assert_eq!(x.as_slice::<f32>().unwrap()[0], -2.5);
        assert_eq!(f32s(y)[0], -2.0);
    }

    #[test]
    fn the_output_is_float32_and_so_is_x() {
        let operator = node(2).build();
        assert_eq!(operator.output_dtypes(&[None]).unwrap(), [Some(DType::F32)]);
        let error = operator.output_dtypes(&[Some(DType::I8)]).unwrap_err().to_string();
        assert_eq!(error, "x is int8, expected float32");
    }

    #[test]
    fn there_are_no_attributes_and_six_or_seven_inputs() {
        let mut node = node(2);
        node.inputs.truncate(5);
        assert_eq!(node.refused(), "5 inputs, expected 6 to 7");
    }
}
