//! `CausalConvWithState`: a convolution of each channel with what came before.
//!
//! | | name | type | shape |
//! |-|------|------|-------|
//! | 0 | `input` | float16, bfloat16, float32, float64 | `[b, c, n]` |
//! | 1 | `weight` | as `input` | `[c, 1, k]` |
//! | 2 | `bias` | as `input` | `[c]`, optional |
//! | 3 | `past_state` | as `input` | `[b, c, k - 1]`, optional: 0 |
//! | → 0 | `output` | as `input` | `[b, c, n]` |
//! | → 1 | `present_state` | as `input` | `[b, c, k - 1]`: the end of the input |
//!
//! Attributes: `activation` (`none`, `silu`, `swish`; `none`): `y · sigmoid(y)` of the rounded sum.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__CausalConvWithState.html>.

use super::floats::{narrowed, rounding, widened};
use crate::common::prelude::*;
use crate::common::stack::block;
use crate::common::types::FLOATS;
use crate::movement::concat::concat;

/// `CausalConvWithState`.
pub static DEF: OpDef = OpDef {
    names: &[("", "CausalConvWithState")],
    opsets: 27..=LATEST,
    summary: "a convolution of each channel with what came before",
    types: "float16, bfloat16, float32, float64",
    grade: Grade::Within(4, "sums in another order than the reference's"),
    build,
};

struct CausalConv {
    silu: bool,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(2..=4)?;
    let silu = match attrs.string("activation")?.as_deref() {
        None | Some("none") => false,
        Some("silu" | "swish") => true,
        Some(other) => return Err(Attrs::value("activation", other, "none, silu or swish")),
    };
    Ok(Box::new(CausalConv { silu }))
}

impl Operator for CausalConv {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let (x, weight) = (inputs.tensor(0, "input")?, inputs.tensor(1, "weight")?);
        let (&[b, c, n], &[channels, 1, k]) = (x.shape(), weight.shape()) else {
            return Err(wrong_shape("weight", weight.shape(), "[c, 1, k], and input [b, c, n]"));
        };
        if channels != c || k == 0 {
            return Err(wrong_shape("weight", weight.shape(), format!("[{c}, 1, k]")));
        }
        let bias = inputs.optional(2)?;
        if let Some(bias) = bias.filter(|bias| bias.shape() != [c]) {
            return Err(wrong_shape("bias", bias.shape(), format!("[{c}]")));
        }
        let past = match inputs.optional(3)? {
            Some(past) if past.shape() == [b, c, k - 1] => past.clone(),
            Some(past) => {
                let expected = format!("[{b}, {c}, {}]", k - 1);
                return Err(wrong_shape("past_state", past.shape(), expected));
            }
            None => narrowed(vec![0.0; b * c * (k - 1)], &[b, c, k - 1], x.dtype())?,
        };
        let padded = concat(&[&past, x], 2)?;
        let present = block(&padded, 2, n, k - 1)?;
        let round = rounding(x.dtype());
        let (wide, weight) = (widened(&padded, "input")?, widened(weight, "weight")?);
        let bias = bias.map(|bias| widened(bias, "bias")).transpose()?;
        let mut y = Vec::with_capacity(x.len());
        for (i, row) in wide.chunks_exact(n + k - 1).enumerate() {
            let taps = &weight[i % c * k..][..k];
            for window in row.windows(k).take(n) {
                let sum: f32 = window.iter().zip(taps).map(|(x, w)| x * w).sum();
                let sum = sum + bias.as_ref().map_or(0.0, |bias| bias[i % c]);
                let sum = round.map_or(sum, |round| round(sum));
                y.push(if self.silu { sum * (1.0 / (1.0 + (-sum).exp())) } else { sum });
            }
        }
        Ok(vec![narrowed(y, &[b, c, n], x.dtype())?.into(), present.into()])
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        let x = FLOATS.check_same(inputs, 0)?;
        Ok(vec![x, x])
    }
}

#[cfg(test)]
mod tests {
    use crate::common::testing::*;

    #[test]
    fn the_past_is_seen_and_kept() {
        let y = node("CausalConvWithState")
            .outputs(2)
            .try_run_values(vec![
                Some(floats(&[1, 1, 2], &[1.0, 2.0]).into()),
                Some(floats(&[1, 1, 2], &[10.0, 1.0]).into()),
                None,
                Some(floats(&[1, 1, 1], &[5.0]).into()),
            ])
            .unwrap();
        assert_tensor(y[0].as_tensor().unwrap(), &floats(&[1, 1, 2], &[51.0, 12.0]));
        assert_tensor(y[1].as_tensor().unwrap(), &floats(&[1, 1, 1], &[2.0]));
    }
}
