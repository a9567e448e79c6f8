//! `com.microsoft::EmbedLayerNormalization`: the normalized sum of the embeddings of words, positions and segments.
//!
//! | | name | type | shape |
//! |-|------|------|-------|
//! | 0 | `input_ids` | int32 | `[b, s]` |
//! | 1 | `segment_ids` | int32 | `[b, s]`, optional |
//! | 2, 3 | `word_embedding`, `position_embedding` | float16, float32 | `[rows, hidden]` |
//! | 4 | `segment_embedding` | as 2 | `[rows, hidden]`, optional |
//! | 5, 6 | `gamma`, `beta` | as 2 | `[hidden]` |
//! | 7 | `mask` | int32 | `[b, s]`, optional |
//! | 8 | `position_ids` | int32 | `[b, s]` or `[1, s]`, optional: 0, 1, … |
//! | → 0 | `output` | as 2 | `[b, s, hidden]` |
//! | → 1 | `mask_index` | int32 | `[b]`: the sum of the mask; zeros without one |
//! | → 2 | `embedding_sum` | as 2 | `[b, s, hidden]` |
//!
//! Attributes: `epsilon` (float, 1e-12), `mask_index_type` (int): 0 and 1 give the same sum.
//!
//! Source: onnxruntime 1.32 `contrib_ops/cpu/bert/embed_layer_norm.cc`.

use super::GRADE;
use super::layer_normalization::{Affine, normalize, parameter};
use crate::common::dispatch::with_float;
use crate::common::number::Number;
use crate::common::parameters::integers;
use crate::common::prelude::*;
use crate::common::sizes::result_len;
use crate::common::types::{FLOATS, INDICES};
use crate::movement::gather::places;

/// `EmbedLayerNormalization`.
pub static DEF: OpDef = OpDef {
    names: &[("com.microsoft", "EmbedLayerNormalization")],
    opsets: 1..=i64::MAX,
    summary: "the normalized sum of embeddings",
    types: "ids int32; embeddings float16, bfloat16, float32, float64",
    grade: GRADE,
    build,
};

struct Embed {
    epsilon: f64,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(7..=9)?;
    attrs.flag("mask_index_type")?;
    Ok(Box::new(Embed { epsilon: attrs.float("epsilon")?.unwrap_or(1e-12).into() }))
}

impl Operator for Embed {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let ids = inputs.tensor(0, "input_ids")?;
        let words = inputs.tensor(2, "word_embedding")?;
        let (&[batch, length], &[_, hidden]) = (ids.shape(), words.shape()) else {
            return Err(wrong_shape("input_ids", ids.shape(), "[b, s]"));
        };
        let shape = [batch, length, hidden];
        result_len(words.dtype(), &shape)?;
        let counted: Vec<i64> = (0..batch * length).map(|i| (i % length.max(1)) as i64).collect();
        let positions = match inputs.optional(8)? {
            None => counted,
            Some(given) => {
                let given_ids = integers(given, "position_ids")?;
                let one_row = given_ids.len() == length;
                if !one_row && given_ids.len() != batch * length {
                    return Err(wrong_shape(
                        "position_ids",
                        given.shape(),
                        format!("[{batch}, {length}]"),
                    ));
                }
                (0..batch * length)
                    .map(|i| given_ids[if one_row { i % length } else { i }])
                    .collect()
            }
        };
        let mut tables = vec![
            (words, integers(ids, "input_ids")?),
            (inputs.tensor(3, "position_embedding")?, positions),
        ];
        if let (Some(segments), Some(table)) = (inputs.optional(1)?, inputs.optional(4)?) {
            tables.push((table, integers(segments, "segment_ids")?));
        }
        let gamma = parameter(inputs.tensor(5, "gamma")?, &[hidden])?;
        let beta = parameter(inputs.tensor(6, "beta")?, &[hidden])?;
        let affine = Affine { scale: &gamma, bias: Some(&beta) };
        let (y, sum) = with_float!(words.dtype(), "word_embedding", T => {
            let mut sum = vec![T::default(); batch * length * hidden];
            for (table, ids) in &tables {
                if table.rank() != 2 || table.shape()[1] != hidden || ids.len() != batch * length {
                    return Err(wrong_shape("embedding", table.shape(), format!("[rows, {hidden}]")));
                }
                let rows = places(ids, table.shape()[0])?;
                let table = table.as_slice::<T>()?;
                for (into, row) in sum.chunks_exact_mut(hidden.max(1)).zip(rows) {
                    let row = &table[row * hidden..][..hidden];
                    into.iter_mut().zip(row).for_each(|(sum, &x)| *sum = Number::add(*sum, x));
                }
            }
            let (y, _) = normalize(&sum, hidden, false, self.epsilon, affine);
            Ok::<_, OpError>((Tensor::new(&shape, y)?, Tensor::new(&shape, sum)?))
        })?;
        let mask = match inputs.optional(7)? {
            None => vec![0i32; batch],
            Some(mask) => integers(mask, "mask")?
                .chunks(length.max(1))
                .take(batch)
                .map(|row| row.iter().sum::<i64>() as i32)
                .collect(),
        };
        Ok(vec![y.into(), Tensor::vector(mask).into(), sum.into()])
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        INDICES.check(inputs, 0, "input_ids")?;
        let words = FLOATS.check(inputs, 2, "word_embedding")?;
        Ok(vec![words, Some(DType::I32), words])
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    #[test]
    fn words_and_positions_add_up() {
        let inputs = vec![
            Some(tensor(&[1, 1], &[1i32]).into()),
            None,
            Some(floats(&[2, 2], &[0.0, 0.0, 1.0, 4.0]).into()),
            Some(floats(&[1, 2], &[1.0, 0.0]).into()),
            None,
            Some(floats(&[2], &[1.0, 1.0]).into()),
            Some(floats(&[2], &[0.0, 1.0]).into()),
            Some(tensor(&[1, 1], &[1i32]).into()),
        ];
        let y = node_in(("com.microsoft", "EmbedLayerNormalization"))
            .outputs(3)
            .try_run_values(inputs)
            .unwrap();
        assert_tensor(y[0].as_tensor().unwrap(), &floats(&[1, 1, 2], &[-1.0, 2.0]));
        assert_tensor(y[1].as_tensor().unwrap(), &Tensor::vector(vec![1i32]));
        assert_tensor(y[2].as_tensor().unwrap(), &floats(&[1, 1, 2], &[2.0, 4.0]));
    }
}
