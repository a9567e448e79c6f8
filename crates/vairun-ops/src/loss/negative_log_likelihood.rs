//! `NegativeLogLikelihoodLoss` and `SoftmaxCrossEntropyLoss`: how far class scores are from the right class.
//!
//! `loss = -weight[target] · log_prob[target]`; the cross entropy takes the logarithm of softmax of `scores` first. `mean`
//! divides the sum by that of the weights.
//!
//! | | name | type | shape |
//! |-|------|------|-------|
//! | 0 | `input` (`scores`) | float16, bfloat16, float32, float64 | `[n, c, ..]` |
//! | 1 | `target` (`labels`) | int32, int64 | `[n, ..]` |
//! | 2 | `weight` | as `input` | `[c]`, optional: 1 |
//! | → 0 | `loss` | as `input` | `[]`, or as `target` with reduction `none` |
//! | → 1 | `log_prob` | as `input` | as `input`; the cross entropy alone |
//!
//! Attributes: `reduction` (`none`, `sum`, `mean`; `mean`), `ignore_index` (int): targets that do not count.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__NegativeLogLikelihoodLoss.html>,
//! <https://onnx.ai/onnx/operators/onnx__SoftmaxCrossEntropyLoss.html>. Computed in float64, rounded once.

use crate::common::axes::around;
use crate::common::dispatch::with_float;
use crate::common::number::Number;
use crate::common::parameters::integers;
use crate::common::prelude::*;
use crate::common::types::{FLOATS, INDICES};
use crate::normalize::GRADE;
use crate::normalize::softmax::log_softmax_along;

macro_rules! operators {
    ($($id:ident $name:literal $since:literal $softmax:literal $summary:literal;)*) => {$(
        #[doc = concat!("`", $name, "`.")]
        pub static $id: OpDef = OpDef {
            names: &[("", $name)],
            opsets: $since..=LATEST,
            summary: $summary,
            types: "float16, bfloat16, float32, float64; target int32, int64",
            grade: GRADE,
            build: |spec, attrs| build($softmax, spec, attrs),
        };
    )*};
}

operators! {
    NEGATIVE_LOG_LIKELIHOOD "NegativeLogLikelihoodLoss" 12 false "how far logarithms of probabilities are from classes";
    SOFTMAX_CROSS_ENTROPY "SoftmaxCrossEntropyLoss" 12 true "how far class scores are from classes";
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reduction {
    None,
    Sum,
    Mean,
}

struct Loss {
    softmax: bool,
    reduction: Reduction,
    ignored: Option<i64>,
}

fn build(softmax: bool, spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(2..=3)?;
    let reduction = match attrs.string("reduction")?.as_deref() {
        None | Some("mean") => Reduction::Mean,
        Some("sum") => Reduction::Sum,
        Some("none") => Reduction::None,
        Some(other) => return Err(Attrs::value("reduction", other, "none, sum or mean")),
    };
    Ok(Box::new(Loss { softmax, reduction, ignored: attrs.int("ignore_index")? }))
}

impl Operator for Loss {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let (x, target) = (inputs.tensor(0, "input")?, inputs.tensor(1, "target")?);
        let mut expected = x.shape().to_vec();
        if expected.len() < 2 {
            return Err(wrong_shape("input", x.shape(), "[n, c, ..]"));
        }
        let classes = expected.remove(1);
        if target.shape() != expected {
            return Err(wrong_shape("target", target.shape(), format!("{expected:?}")));
        }
        let weight = inputs.optional(2)?;
        if let Some(weight) = weight.filter(|weight| weight.shape() != [classes]) {
            return Err(wrong_shape("weight", weight.shape(), format!("[{classes}]")));
        }
        let target = integers(target, "target")?;
        with_float!(x.dtype(), "input", T => {
            let mut scores: Vec<f64> = x.as_slice::<T>()?.iter().map(|x| x.to_f64()).collect();
            if self.softmax {
                scores = log_softmax_along(&scores, x.shape(), 1);
            }
            let weights: Option<Vec<f64>> = weight
                .map(|weight| Ok::<_, OpError>(weight.as_slice::<T>()?.iter().map(|x| x.to_f64()).collect()))
                .transpose()?;
            let (losses, total) = self.losses(&scores, x.shape(), &target, weights.as_deref())?;
            let number = <T as Number>::from_f64;
            let loss = match self.reduction {
                Reduction::None => {
                    Tensor::new(&expected, losses.into_iter().map(number).collect())?
                }
                Reduction::Sum => Tensor::scalar(number(losses.iter().sum())),
                Reduction::Mean => Tensor::scalar(number(losses.iter().sum::<f64>() / total)),
            };
            let mut outputs = vec![loss.into()];
            if self.softmax {
                let log_prob = scores.into_iter().map(number).collect();
                outputs.push(Tensor::new(x.shape(), log_prob)?.into());
            }
            Ok(outputs)
        })
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        INDICES.check(inputs, 1, "target")?;
        Ok(vec![FLOATS.check(inputs, 0, "input")?; if self.softmax { 2 } else { 1 }])
    }
}

impl Loss {
    /// The weighted loss of each target, and the sum of the weights.
    fn losses(
        &self,
        scores: &[f64],
        shape: &[usize],
        target: &[i64],
        weights: Option<&[f64]>,
    ) -> Result<(Vec<f64>, f64), OpError> {
        let (_, classes, inner) = around(shape, 1);
        let mut total = 0.0;
        let mut one = |(i, &class): (usize, &i64)| {
            if Some(class) == self.ignored {
                return Ok(0.0);
            }
            let at = usize::try_from(class).ok().filter(|&at| at < classes).ok_or_else(|| {
                wrong_value("target", class, format!("a class of {classes}, or ignore_index"))
            })?;
            let weight = weights.map_or(1.0, |weights| weights[at]);
            total += weight;
            Ok(-weight * scores[(i / inner * classes + at) * inner + i % inner])
        };
        let losses = target.iter().enumerate().map(&mut one).collect::<Result<_, OpError>>()?;
        Ok((losses, total))
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    #[test]
    fn the_mean_is_that_of_the_weights() {
        let x = || floats(&[2, 2], &[-1.0, -2.0, -3.0, -4.0]);
        let run = |case: Case| case.run([x(), ints(&[0, 1]), floats(&[2], &[1.0, 3.0])]);
        let op = || node("NegativeLogLikelihoodLoss");
        assert_tensor(&run(op()), &Tensor::scalar(13.0f32 / 4.0));
        assert_tensor(&run(op().text("reduction", "sum")), &Tensor::scalar(13.0f32));
        assert_tensor(&run(op().text("reduction", "none")), &floats(&[2], &[1.0, 12.0]));
        assert_tensor(&run(op().int("ignore_index", 1)), &Tensor::scalar(1f32));
    }

    #[test]
    fn the_cross_entropy_of_equal_scores() {
        let y = node("SoftmaxCrossEntropyLoss").run([floats(&[1, 2], &[5.0, 5.0]), ints(&[1])]);
        assert_tensor(&y, &Tensor::scalar(std::f64::consts::LN_2 as f32));
    }

    #[test]
    fn a_class_that_is_not_there_is_named() {
        let error = node("SoftmaxCrossEntropyLoss").error([count_up(&[1, 2]), ints(&[2])]);
        assert_eq!(error, "target is 2, expected a class of 2, or ignore_index");
    }
}
