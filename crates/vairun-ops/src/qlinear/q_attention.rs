//! `com.microsoft::QAttention`: attention of many heads whose projections are products of codes.
//!
//! `[Q K V] = f32(f32(acc) · f32(si·sw)) + bias`, `acc = Σ (input - zi)·(weight - zw)` in int32; then, for each head,
//! `output = softmax(scale · Q·Kᵀ + mask) · V` in float32.
//!
//! | | name                       | type        | shape                                             |
//! |-|----------------------------|-------------|---------------------------------------------------|
//! | 0 | `input`                  | u8, i8      | `[batch, steps, input]`                           |
//! | 1 | `weight`                 | u8, i8      | `[input, 3·hidden]`: Q, K, V, the heads one after another |
//! | 2 | `bias`                   | f32         | `[3·hidden]`                                      |
//! | 3, 6 | `input_scale`, `input_zero_point` | f32, as `input` | one element; the zero point is optional |
//! | 4, 7 | `weight_scale`, `weight_zero_point` | f32, as `weight` | one element, or `[3·hidden]`; the zero point is optional |
//! | 5 | `mask_index`             | i32         | lengths or a mask; optional                         |
//! | 8 | `past`                   | f32         | `[2, batch, heads, before, hidden / heads]`, optional |
//! | → | `output`                 | f32         | `[batch, steps, hidden]`                          |
//! | → | `present`                | f32         | `[2, batch, heads, before + steps, hidden / heads]` |
//!
//! Attributes: `num_heads` (INT, required), `unidirectional` (INT, 0), `mask_filter_value` (FLOAT, -10000), `scale`
//! (FLOAT, 1/√(hidden / heads)). Rotary embedding and a buffer shared by past and present are refused.
//!
//! Source: `attention_quant.cc` and `attention_cpu_base.h` of onnxruntime 1.28. Vectors: `testdata/ops/qlinear`.

use vairun_tensor::DType;

use super::codes::{CODES, SCALE, scalar_scale};
use super::kept::Kept;
use super::mat_mul_integer_to_float::Columns;
use super::sums::{Lines, Side};
use crate::attention::mask_index::MASK;
use crate::attention::projected::{Beside, Heads, Projections};
use crate::attrs::Attrs;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::quant::parameters::wrong_shape;
use crate::spec::NodeSpec;

/// `com.microsoft::QAttention`.
pub static DEF: OpDef = OpDef {
    names: &[("com.microsoft", "QAttention")],
    opsets: 1..=i64::MAX,
    summary: "attention of many heads, its projections exact products of codes",
    types: "input, weight int8, uint8; bias, scales, past, output float32; mask_index int32",
    grade: Grade::Within(16, "onnxruntime's exponential and sums in float32 have another order"),
    build,
};

struct QAttention {
    heads: Heads,
    kept: Kept,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(5..=9)?;
    Ok(Box::new(QAttention { heads: Heads::new(attrs)?, kept: Kept::new(spec, &[1, 7]) }))
}

impl Operator for QAttention {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let projections = self.projections(&inputs)?;
        let beside = Beside {
            mask_index: inputs.optional(5)?,
            past: inputs.optional(8)?,
            attention_bias: None,
        };
        self.heads.run(&projections, &beside)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        let codes =
            [(0, "input"), (1, "weight"), (6, "input_zero_point"), (7, "weight_zero_point")];
        for (index, name) in codes {
            CODES.check(inputs, index, name)?;
        }
        for (index, name) in [(2, "bias"), (3, "input_scale"), (4, "weight_scale"), (8, "past")] {
            SCALE.check(inputs, index, name)?;
        }
        MASK.check(inputs, 5, "mask_index")?;
        Ok(vec![Some(DType::F32); 2])
    }
}

impl QAttention {
    fn projections(&self, inputs: &Inputs) -> Result<Projections, OpError> {
        let input = inputs.tensor(0, "input")?;
        let &[batch, steps, width] = input.shape() else {
            return Err(wrong_shape("input", input.shape(), "[batch, steps, input]"));
        };
        let scale = scalar_scale(inputs.tensor(3, "input_scale")?, "input_scale")?;
        let side = Side::new(input, "input", inputs.optional(6)?, "input_zero_point", Lines::One)?;
        let weight = inputs.tensor(1, "weight")?;
        let all = match *weight.shape() {
            [rows, columns] if rows == width => columns,
            _ => 0,
        };
        if all == 0 || !all.is_multiple_of(3 * self.heads.heads) {
            let expected =
                format!("[{width}, n] with n a multiple of 3·num_heads = {}", 3 * self.heads.heads);
            return Err(wrong_shape("weight", weight.shape(), expected));
        }
        let columns = Columns {
            b: weight,
            scale: inputs.tensor(4, "weight_scale")?,
            zero_point: inputs.optional(7)?,
            bias: Some(inputs.tensor(2, "bias")?),
            kept: &self.kept,
        };
        let values = columns.product(&side, scale)?.into_vec()?;
        let size = all / 3 / self.heads.heads;
        Ok(Projections { values, batch, steps, size, v_size: size })
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::{Tensor, Value};

    use super::*;
    use crate::common::testing::{Case, assert_tensor, floats, node_in, tensor};

    /// Two steps of one number, seen as it is: Q is 0, K is 0, V is the input.
    fn inputs(mask: Option<Tensor>) -> Vec<Option<Value>> {
        let some = |tensor: Tensor| Some(Value::from(tensor));
        vec![
            some(tensor(&[1, 2, 1], &[2u8, 4])),
            some(tensor(&[1, 3], &[0i8, 0, 1])),
            some(floats(&[3], &[0.0; 3])),
            some(Tensor::scalar(1f32)),
            some(Tensor::scalar(1f32)),
            mask.map(Value::from),
        ]
    }

    fn case() -> Case {
        node_in(DEF.names[0]).int("num_heads", 1).outputs(2)
    }

    #[test]
    fn equal_scores_give_the_mean_of_what_is_seen() {
        let run = |case: Case, mask| case.try_run_values(inputs(mask)).unwrap();
        let outputs = run(case(), None);
        assert_tensor(outputs[0].as_tensor().unwrap(), &floats(&[1, 2, 1], &[3.0, 3.0]));
        let present = floats(&[2, 1, 1, 2, 1], &[0.0, 0.0, 2.0, 4.0]);
        assert_tensor(outputs[1].as_tensor().unwrap(), &present);
        let outputs = run(case().int("unidirectional", 1), None);
        assert_tensor(outputs[0].as_tensor().unwrap(), &floats(&[1, 2, 1], &[2.0, 3.0]));
        let outputs = run(case(), Some(tensor(&[1, 2], &[0i32, 1])));
        assert_tensor(outputs[0].as_tensor().unwrap(), &floats(&[1, 2, 1], &[4.0, 4.0]));
    }

    #[test]
    fn what_is_not_computed_is_refused_before_the_run() {
        let error = case().int("do_rotary", 1).build(&inputs(None)).err().unwrap();
        assert_eq!(error.to_string(), "`do_rotary` is 1, expected 0");
        let heads = node_in(DEF.names[0]).int("num_heads", 2).try_run_values(inputs(None));
        assert!(heads.unwrap_err().to_string().contains("a multiple of 3·num_heads = 6"));
    }
}
