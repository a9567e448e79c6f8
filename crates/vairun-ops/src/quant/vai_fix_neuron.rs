//! `vai::fix_neuron` (vai_q_pytorch, NLP and LSTM): rounds to a fixed-point grid, quantizing and dequantizing at once.
//!
//! `r = clip(int(round(f32(x · a))), -valmax - 1, valmax)`, `y = f32(f32(r) · f32(1 / a))`, where `a = f32(valamp)`.
//!
//! | | name          | type       | shape                           |
//! |-|---------------|------------|---------------------------------|
//! | 0 | `x`         | f32, f16   | any                             |
//! | 1 | `valmax`    | i64        | `[]`                            |
//! | 2 | `valamp`    | f64        | `[]`: steps for 1               |
//! | 3 | `method`    | i64        | `[]`: 2 to 8                    |
//! | 4 | `device_id` | i64        | `[]`, of no effect              |
//! | 5 | `inplace`   | i64        | `[]`, of no effect              |
//! | → | `y`         | as `x`     | as `x`                          |
//!
//! What does not fit an `int` (NaN, infinities, 1e10) becomes `-valmax - 1`: the clip comes after the overflow. float16
//! passes through float32. An unknown method is refused; with `permissive` it rounds everything to 0.
//!
//! Source: `_fix_neuron_v2_cpu` of pytorch_nndct 3.5.0, Xilinx/Vitis-AI b2b2279; the exporter drops the lower bound and
//! the zero point. Vectors: `testdata/ops/vai`.

use vairun_numeric::vai::{Rule, fix_neuron};
use vairun_tensor::{DType, Dequantized, Tensor, f16};

use super::parameters::{check_constant, expect_dtype, float, integer, wrong_dtype};
use super::vai_quantize_linear::method;
use crate::attrs::Attrs;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::quantizer::{Dequantizer, Quantizer};
use crate::spec::NodeSpec;

/// `vai::fix_neuron`.
pub static DEF: OpDef = OpDef {
    names: &[("vai", "fix_neuron")],
    opsets: 1..=i64::MAX,
    summary: "rounds to a fixed-point grid: quantizes and dequantizes at once",
    types: "x float32, float16; valmax, method int64; valamp float64",
    grade: Grade::Exact("pytorch_nndct 3.5.0 fix_neuron kernel, torch 1.13.1"),
    build,
};

const TYPES: &str = "float32 or float16";

fn build(spec: &NodeSpec, _: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(4..=6)?;
    let permissive = spec.permissive;
    check_constant(spec, 3, |tensor| method(tensor, permissive))?;
    check_constant(spec, 1, valmax)?;
    Ok(Box::new(FixNeuron { permissive }))
}

struct FixNeuron {
    permissive: bool,
}

fn valmax(tensor: &Tensor) -> Result<i32, OpError> {
    let value = integer(tensor, "valmax")?;
    i32::try_from(value).ok().filter(|&value| value >= 0).ok_or_else(|| OpError::Value {
        input: "valmax".into(),
        got: value.to_string(),
        expected: "0 to 2147483647".into(),
    })
}

impl Operator for FixNeuron {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let high = valmax(inputs.tensor(1, "valmax")?)?;
        let round = method(inputs.tensor(3, "method")?, self.permissive)?;
        let amplitude = float(inputs.tensor(2, "valamp")?, "valamp")? as f32;
        let rule = Rule { round, low: -high - 1, high };
        let x = inputs.take(0, "x")?;
        let shape = x.shape().to_vec();
        let y = match x.dtype() {
            DType::F32 => {
                let mut x = x.into_vec::<f32>()?;
                fix_neuron(&mut x, rule, amplitude, 0);
                let origin = Dequantized::on_grid(
                    Tensor::scalar(1.0 / amplitude),
                    Tensor::scalar(0i32),
                    None,
                );
                Tensor::new(&shape, x)?.with_dequantized(origin)
            }
            DType::F16 => {
                let mut x: Vec<f32> = x.as_slice::<f16>()?.iter().map(|x| x.to_f32()).collect();
                fix_neuron(&mut x, rule, amplitude, 0);
                Tensor::new(&shape, x.into_iter().map(f16::from_f32).collect())?
            }
            got => return Err(wrong_dtype("x", got, TYPES)),
        };
        Ok(vec![y.into()])
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        let x = inputs.first().copied().flatten();
        expect_dtype("x", x, |x| matches!(x, DType::F32 | DType::F16), TYPES)?;
        Ok(vec![x])
    }

    fn quantizer(&self, parameters: &Inputs) -> Option<Quantizer> {
        let high = valmax(parameters.tensor(1, "valmax").ok()?).ok()?;
        let round = method(parameters.tensor(3, "method").ok()?, self.permissive).ok()??;
        let scale = self.dequantizer(parameters)?.scale;
        Some(Quantizer {
            scale,
            zero_point: 0,
            low: -high - 1,
            high,
            round,
            zero_inside: false,
            // What does not fit an i32 becomes the least code.
            below: scale * (1 << 30) as f32,
            dtype: DType::F32,
        })
    }

    /// A product with the amplitude is a quotient by its inverse for powers of two alone.
    fn dequantizer(&self, parameters: &Inputs) -> Option<Dequantizer> {
        let amplitude = float(parameters.tensor(2, "valamp").ok()?, "valamp").ok()? as f32;
        let usable = amplitude > 0.0 && amplitude.is_normal() && (1.0 / amplitude).is_normal();
        let power_of_two = amplitude.to_bits() & 0x007f_ffff == 0;
        (usable && power_of_two).then_some(Dequantizer { scale: 1.0 / amplitude, zero_point: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::testing::{Node, f32s};

    fn node(x: Tensor, method: i64) -> Node {
        Node::new("vai", "fix_neuron").inputs([
            x,
            Tensor::scalar(127i64),
            Tensor::scalar(16f64),
            Tensor::scalar(method),
            Tensor::scalar(1i64),
            Tensor::scalar(0i64),
        ])
    }

    #[test]
    fn the_lower_bound_is_one_below_the_negated_upper() {
        let x = Tensor::vector(vec![1e3f32, -1e3, 0.03125, -0.03125, 1e10, f32::NAN]);
        assert_eq!(f32s(node(x, 2).run()), [7.9375, -8.0, 0.0625, 0.0, -8.0, -8.0]);
    }

    #[test]
    fn float16_stays_float16() {
        let y = node(Tensor::vector(vec![f16::from_f32(0.1)]), 3).run();
        assert_eq!(y.as_slice::<f16>().unwrap(), [f16::from_f32(0.125)]);
    }

    #[test]
    fn the_result_is_on_the_grid() {
        let y = node(Tensor::vector(vec![0.3f32]), 4).run();
        assert_eq!(y.codes().unwrap().as_slice::<i8>().unwrap(), [4]);
    }

    #[test]
    fn an_unknown_method_is_refused() {
        let x = || Tensor::scalar(1f32);
        assert!(node(x(), 9).refused().starts_with("`method` is 9, expected 2"));
        assert_eq!(f32s(node(x(), 9).permissive().run()), [0.0]);
    }

    #[test]
    fn a_negative_valmax_is_refused() {
        let mut node = node(Tensor::scalar(1f32), 2);
        node.inputs[1] = Tensor::scalar(-1i64);
        assert_eq!(node.refused(), "`valmax` is -1, expected 0 to 2147483647");
    }
}
