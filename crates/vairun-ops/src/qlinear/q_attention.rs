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

use vairun_numeric::dense::{product, transposed};
use vairun_numeric::transcendental::exp;
use vairun_tensor::{DType, Tensor};

use super::codes::{CODES, SCALE, scalar_scale};
use super::kept::Kept;
use super::mask::{MASK, Mask};
use super::mat_mul_integer_to_float::Columns;
use super::sums::{Lines, Side};
use crate::attrs::Attrs;
use crate::common::sizes::result_len;
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
    heads: usize,
    causal: bool,
    filter: f32,
    scale: Option<f32>,
    kept: Kept,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(5..=9)?;
    let heads = attrs.int("num_heads")?;
    let heads = heads.ok_or_else(|| BuildError::MissingAttribute("num_heads".into()))?;
    for name in ["do_rotary", "past_present_share_buffer"] {
        if attrs.flag(name)? == Some(true) {
            return Err(Attrs::value(name, 1, "0"));
        }
    }
    Ok(Box::new(QAttention {
        heads: usize::try_from(heads)
            .ok()
            .filter(|&heads| heads > 0)
            .ok_or_else(|| Attrs::value("num_heads", heads, "1 or more"))?,
        causal: attrs.flag("unidirectional")?.unwrap_or(false),
        filter: attrs.float("mask_filter_value")?.unwrap_or(-10000.0),
        scale: attrs.float("scale")?.filter(|&scale| scale != 0.0),
        kept: Kept::new(spec, &[1, 7]),
    }))
}

impl Operator for QAttention {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let projections = projections(&inputs, &self.kept)?;
        let sizes = self.sizes(&inputs)?;
        let past = inputs.optional(8)?.map(|past| sizes.past(past)).transpose()?;
        let mask = inputs.optional(5)?.map(|mask| Mask::new(mask, &sizes.masked())).transpose()?;
        let length = result_len(DType::F32, &[sizes.batch, sizes.steps, sizes.hidden()])?;
        let heads: Vec<(usize, usize)> = (0..sizes.batch)
            .flat_map(|batch| (0..self.heads).map(move |head| (batch, head)))
            .collect();
        let done: Vec<Head> = heads
            .iter()
            .map(|&(batch, head)| {
                let [q, k, v] = [0, 1, 2].map(|part| sizes.head(&projections, part, batch, head));
                let [k, v] = [(0, k), (1, v)].map(|(part, new)| match past {
                    Some(past) => [sizes.before(past, part, batch, head), &new].concat(),
                    None => new,
                });
                let bias = |step, at| self.bias(&sizes, mask.as_ref(), batch, step, at);
                Head { output: self.attend(&sizes, &q, &k, &v, bias), k, v }
            })
            .collect();
        let mut output = vec![0.0; length];
        for (&(batch, head), done) in heads.iter().zip(&done) {
            sizes.place(&mut output, batch, head, &done.output);
        }
        let present = |part: fn(&Head) -> &Vec<f32>| done.iter().flat_map(part).copied();
        let present: Vec<f32> = present(|head| &head.k).chain(present(|head| &head.v)).collect();
        Ok(vec![
            Tensor::new(&[sizes.batch, sizes.steps, sizes.hidden()], output)?.into(),
            Tensor::new(&sizes.present(), present)?.into(),
        ])
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

/// What one head gives.
struct Head {
    output: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
}

/// `[batch, steps, 3·hidden]`
fn projections(inputs: &Inputs, kept: &Kept) -> Result<Vec<f32>, OpError> {
    let input = inputs.tensor(0, "input")?;
    if input.rank() != 3 {
        return Err(wrong_shape("input", input.shape(), "[batch, steps, input]"));
    }
    let scale = scalar_scale(inputs.tensor(3, "input_scale")?, "input_scale")?;
    let side = Side::new(input, "input", inputs.optional(6)?, "input_zero_point", Lines::One)?;
    let weight = inputs.tensor(1, "weight")?;
    if weight.rank() != 2 || weight.shape()[0] != input.shape()[2] {
        let expected = format!("[{}, 3·hidden]", input.shape()[2]);
        return Err(wrong_shape("weight", weight.shape(), expected));
    }
    let columns = Columns {
        b: weight,
        scale: inputs.tensor(4, "weight_scale")?,
        zero_point: inputs.optional(7)?,
        bias: Some(inputs.tensor(2, "bias")?),
        kept,
    };
    Ok(columns.product(&side, scale)?.into_vec()?)
}

#[derive(Clone, Copy)]
struct Sizes {
    batch: usize,
    steps: usize,
    heads: usize,
    /// Elements of a head.
    size: usize,
    /// Steps of the past.
    before: usize,
}

impl Sizes {
    fn hidden(&self) -> usize {
        self.heads * self.size
    }

    fn total(&self) -> usize {
        self.before + self.steps
    }

    /// What a mask covers: `[batch, steps, all steps]`.
    fn masked(&self) -> [usize; 3] {
        [self.batch, self.steps, self.total()]
    }

    fn present(&self) -> [usize; 5] {
        [2, self.batch, self.heads, self.total(), self.size]
    }

    fn past<'a>(&self, past: &'a Tensor) -> Result<&'a [f32], OpError> {
        let expected = [2, self.batch, self.heads, self.before, self.size];
        if past.shape() != expected {
            return Err(wrong_shape("past", past.shape(), format!("{expected:?}")));
        }
        Ok(past.as_slice()?)
    }

    /// The rows of Q, K or V that belong to a head: `[steps, size]`.
    fn head(&self, projections: &[f32], part: usize, batch: usize, head: usize) -> Vec<f32> {
        let width = 3 * self.hidden();
        let rows = &projections[batch * self.steps * width..][..self.steps * width];
        let from = part * self.hidden() + head * self.size;
        let row = |row: usize| &rows[row * width + from..][..self.size];
        (0..self.steps).flat_map(row).copied().collect()
    }

    /// The K or V of the past of a head: `[before, size]`.
    fn before<'a>(&self, past: &'a [f32], part: usize, batch: usize, head: usize) -> &'a [f32] {
        let length = self.before * self.size;
        &past[((part * self.batch + batch) * self.heads + head) * length..][..length]
    }

    /// Puts `[steps, size]` of a head where it belongs in `[batch, steps, heads, size]`.
    fn place(&self, output: &mut [f32], batch: usize, head: usize, rows: &[f32]) {
        for (step, row) in rows.chunks_exact(self.size.max(1)).enumerate() {
            let at = ((batch * self.steps + step) * self.heads + head) * self.size;
            output[at..at + self.size].copy_from_slice(row);
        }
    }
}

impl QAttention {
    fn sizes(&self, inputs: &Inputs) -> Result<Sizes, OpError> {
        let (input, weight) = (inputs.tensor(0, "input")?, inputs.tensor(1, "weight")?);
        let columns = weight.shape()[1];
        if columns == 0 || !columns.is_multiple_of(3 * self.heads) {
            let expected =
                format!("[input, n] with n a multiple of 3·num_heads = {}", 3 * self.heads);
            return Err(wrong_shape("weight", weight.shape(), expected));
        }
        let past = inputs.optional(8)?;
        Ok(Sizes {
            batch: input.shape()[0],
            steps: input.shape()[1],
            heads: self.heads,
            size: columns / 3 / self.heads,
            before: past.and_then(|past| past.shape().get(3).copied()).unwrap_or(0),
        })
    }

    /// What is added to the score of a step with another one.
    fn bias(
        &self,
        sizes: &Sizes,
        mask: Option<&Mask>,
        batch: usize,
        step: usize,
        at: usize,
    ) -> f32 {
        if self.causal && at > sizes.before + step {
            return f32::MIN;
        }
        let seen = mask.is_none_or(|mask| mask.shows(batch, step, at));
        if seen { 0.0 } else { self.filter }
    }

    /// `softmax(scale · q·kᵀ + bias) · v`, `[steps, size]`.
    fn attend(
        &self,
        sizes: &Sizes,
        q: &[f32],
        k: &[f32],
        v: &[f32],
        bias: impl Fn(usize, usize) -> f32,
    ) -> Vec<f32> {
        let (steps, total, size) = (sizes.steps, sizes.total(), sizes.size);
        let scale = self.scale.unwrap_or_else(|| 1.0 / (size as f32).sqrt());
        let mut scores = product(q, &transposed(k, total, size), (steps, size, total));
        for (step, row) in scores.chunks_exact_mut(total.max(1)).enumerate() {
            let scaled = row.iter_mut().enumerate();
            scaled.for_each(|(at, score)| *score = *score * scale + bias(step, at));
            softmax(row);
        }
        product(&scores, v, (steps, total, size))
    }
}

fn softmax(row: &mut [f32]) {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    row.iter_mut().for_each(|x| *x = exp(*x - max));
    let sum: f32 = row.iter().sum();
    row.iter_mut().for_each(|x| *x /= sum);
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Value;

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
