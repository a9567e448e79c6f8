//! `com.microsoft::Attention`: attention of many heads with its projections.
//!
//! `[Q K V] = input · weights + bias`; then, for each head, `output = softmax(scale · Q·Kᵀ + mask + attention_bias) · V`.
//!
//! | | name                 | type  | shape                                              |
//! |-|----------------------|-------|----------------------------------------------------|
//! | 0 | `input`            | f32   | `[batch, steps, input]`                            |
//! | 1 | `weights`          | f32   | `[input, q + k + v]`: Q, K, V, the heads one after another |
//! | 2 | `bias`             | f32   | `[q + k + v]`, optional                            |
//! | 3 | `mask_index`       | i32   | lengths or a mask; optional                        |
//! | 4 | `past`             | f32   | `[2, batch, heads, before, q / heads]`, optional   |
//! | 5 | `attention_bias`   | f32   | broadcasts to `[batch, heads, steps, before + steps]`, optional |
//! | → | `output`           | f32   | `[batch, steps, v]`                                |
//! | → | `present`          | f32   | `[2, batch, heads, before + steps, q / heads]`     |
//!
//! Attributes: `num_heads` (INT, required), `qkv_hidden_sizes` (INTS, a third of the columns each; Q and K have the same),
//! `unidirectional` (INT, 0), `mask_filter_value` (FLOAT, -10000), `scale` (FLOAT, 1/√(q / heads)). Rotary embedding, a
//! buffer shared by past and present (with `past_sequence_length`) and masks of four dimensions are refused, as is a
//! `present` where V has other sizes than K.
//!
//! Source: `attention.cc` and `attention_base.h` of onnxruntime 1.28. Vectors: `testdata/ops/qlinear`.

use vairun_numeric::dense::product;

use super::mask_index::MASK;
use super::projected::{Beside, Heads, Projections};
use crate::common::prelude::*;
use crate::common::types::Types;

/// `com.microsoft::Attention`.
pub static DEF: OpDef = OpDef {
    names: &[("com.microsoft", "Attention")],
    opsets: 1..=i64::MAX,
    summary: "attention of many heads with its projections",
    types: "float32; mask_index int32",
    grade: Grade::Within(16, "onnxruntime's exponential and sums in float32 have another order"),
    build,
};

const F32: Types = Types::new("float32", |dtype| dtype == DType::F32);

struct Attention {
    heads: Heads,
    /// Columns of Q, K and V.
    columns: Option<[usize; 3]>,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(2..=7)?;
    if spec.has_input(6) {
        return Err(BuildError::Unsupported("`past_sequence_length`".into()));
    }
    let heads = Heads::new(attrs)?;
    let columns = attrs.ints("qkv_hidden_sizes")?;
    let columns = columns.map(|sizes| columns_of(sizes, heads.heads)).transpose()?;
    if columns.is_some_and(|[_, k, v]| k != v) && spec.has_output(1) {
        return Err(BuildError::Unsupported("`present` where V has other sizes than K".into()));
    }
    Ok(Box::new(Attention { heads, columns }))
}

/// `qkv_hidden_sizes` where they are three, Q and K alike, and whole heads.
fn columns_of(sizes: &[i64], heads: usize) -> Result<[usize; 3], BuildError> {
    let whole = |&size: &i64| {
        usize::try_from(size).ok().filter(|size| *size > 0 && size.is_multiple_of(heads))
    };
    let fitting = sizes.iter().map(whole).collect::<Option<Vec<_>>>();
    match fitting.as_deref() {
        Some(&[q, k, v]) if q == k => Ok([q, k, v]),
        _ => Err(Attrs::value(
            "qkv_hidden_sizes",
            format!("{sizes:?}"),
            &format!("three multiples of {heads} heads, those of Q and K the same"),
        )),
    }
}

impl Operator for Attention {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let projections = self.projections(&inputs)?;
        let beside = Beside {
            mask_index: inputs.optional(3)?,
            past: inputs.optional(4)?,
            attention_bias: inputs.optional(5)?,
        };
        self.heads.run(&projections, &beside)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        let floats =
            [(0, "input"), (1, "weights"), (2, "bias"), (4, "past"), (5, "attention_bias")];
        for (index, name) in floats {
            F32.check(inputs, index, name)?;
        }
        MASK.check(inputs, 3, "mask_index")?;
        Ok(vec![Some(DType::F32); 2])
    }
}

impl Attention {
    fn projections(&self, inputs: &Inputs) -> Result<Projections, OpError> {
        let input = inputs.tensor(0, "input")?;
        let &[batch, steps, width] = input.shape() else {
            return Err(wrong_shape("input", input.shape(), "[batch, steps, input]"));
        };
        let weights = inputs.tensor(1, "weights")?;
        let heads = self.heads.heads;
        let all = weights.shape().get(1).copied().unwrap_or(0);
        let columns = self.columns.unwrap_or([all / 3; 3]);
        let whole = columns.iter().all(|columns| columns.is_multiple_of(heads));
        if weights.shape() != [width, columns.iter().sum()] || !whole {
            let expected = format!("[{width}, n], n of {heads} whole heads of Q, K and V");
            return Err(wrong_shape("weights", weights.shape(), expected));
        }
        let (input, weights) = (input.as_slice::<f32>()?, weights.as_slice::<f32>()?);
        let mut values = product(input, weights, (batch * steps, width, all));
        if let Some(bias) = inputs.optional(2)? {
            add_bias(&mut values, bias, all)?;
        }
        let [size, _, v_size] = columns.map(|columns| columns / heads);
        Ok(Projections { values, batch, steps, size, v_size })
    }
}

fn add_bias(values: &mut [f32], bias: &Tensor, all: usize) -> Result<(), OpError> {
    if bias.shape() != [all] {
        return Err(wrong_shape("bias", bias.shape(), format!("[{all}]")));
    }
    let bias = bias.as_slice::<f32>()?;
    for row in values.chunks_exact_mut(all.max(1)) {
        row.iter_mut().zip(bias).for_each(|(x, bias)| *x += bias);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Value;

    use super::*;
    use crate::common::testing::*;

    fn case() -> Case {
        node_in(DEF.names[0]).int("num_heads", 1).outputs(2)
    }

    /// Two steps of one number, seen as it is: Q is 0, K is 0, V is the input.
    fn inputs(beside: [Option<Tensor>; 3]) -> Vec<Option<Value>> {
        let [mask, past, bias] = beside;
        let own = [
            Some(floats(&[1, 2, 1], &[2.0, 4.0])),
            Some(floats(&[1, 3], &[0.0, 0.0, 1.0])),
            None,
            mask,
            past,
            bias,
        ];
        own.into_iter().map(|tensor| tensor.map(Value::from)).collect()
    }

    fn output(case: &Case, beside: [Option<Tensor>; 3]) -> Tensor {
        case.try_run_values(inputs(beside)).unwrap()[0].as_tensor().unwrap().clone()
    }

    #[test]
    fn equal_scores_give_the_mean_of_what_is_seen() {
        let none = || [None, None, None];
        assert_tensor(&output(&case(), none()), &floats(&[1, 2, 1], &[3.0, 3.0]));
        let causal = case().int("unidirectional", 1);
        assert_tensor(&output(&causal, none()), &floats(&[1, 2, 1], &[2.0, 3.0]));
        let mask = tensor(&[1, 2], &[0i32, 1]);
        let masked = output(&case(), [Some(mask), None, None]);
        assert_tensor(&masked, &floats(&[1, 2, 1], &[4.0, 4.0]));
    }

    #[test]
    fn the_past_comes_first_and_a_bias_is_added() {
        let past = floats(&[2, 1, 1, 1, 1], &[0.0, 9.0]);
        let after = output(&case(), [None, Some(past), None]);
        assert_tensor(&after, &floats(&[1, 2, 1], &[5.0, 5.0]));
        let hidden = f32::NEG_INFINITY;
        let bias = floats(&[1, 1, 2, 2], &[0.0, hidden, hidden, 0.0]);
        let biased = output(&case(), [None, None, Some(bias)]);
        assert_tensor(&biased, &floats(&[1, 2, 1], &[2.0, 4.0]));
    }

    #[test]
    fn what_is_not_computed_is_refused_before_the_run() {
        let none = inputs([None, None, None]);
        let error = case().int("do_rotary", 1).build(&none).err().unwrap();
        assert_eq!(error.to_string(), "`do_rotary` is 1, expected 0");
        let sizes = case().ints("qkv_hidden_sizes", &[1, 2, 1]).build(&none).err().unwrap();
        assert!(sizes.to_string().contains("those of Q and K the same"), "{sizes}");
    }
}
