//! `ReduceSum`, `ReduceMean`, `ReduceMax` and the other reductions.
//!
//! | name              | result                   | of no elements |
//! |-------------------|--------------------------|----------------|
//! | `ReduceSum`       | Σx                       | 0              |
//! | `ReduceMean`      | Σx / n                   | NaN; integers 0 |
//! | `ReduceProd`      | Πx                       | 1              |
//! | `ReduceMax`       | the largest; NaN wins    | -∞; the least integer, false |
//! | `ReduceMin`       | the smallest; NaN wins   | ∞; the greatest integer, true |
//! | `ReduceL1`        | Σ\|x\|                   | 0              |
//! | `ReduceL2`        | √Σx²                     | 0              |
//! | `ReduceSumSquare` | Σx²                      | 0              |
//! | `ReduceLogSum`    | log Σx                   | -∞             |
//! | `ReduceLogSumExp` | log Σe^x                 | -∞             |
//!
//! | | name      | type                                   | shape |
//! |-|-----------|----------------------------------------|-------|
//! | 0 | `data`  | numbers; bool for Max and Min          | any   |
//! | 1 | `axes`  | int64, int32                           | `[k]`, optional; an attribute before opset 18 (ReduceSum: 13) |
//! | → | `reduced` | as `data`                            | `data` with `axes` of 1, or without them |
//!
//! Attributes: `keepdims` (int, 1), `noop_with_empty_axes` (int, 0): no axes named means none, not all.
//!
//! Floating-point numbers are added up in float64 and rounded once, so that the result is that of the real numbers but
//! for a last bit in rare cases; onnxruntime adds in float32, in an order that depends on the machine. Integers are added
//! up in 64 bits and wrap.
//!
//! Source: <https://onnx.ai/onnx/operators/>, the pages of the same names.

use vairun_numeric::reduce::{Fold, columns, rows};
use vairun_tensor::{DType, Element, Tensor, bf16, f16};

use super::Reduced;
use crate::attrs::Attrs;
use crate::common::dispatch::with_number;
use crate::common::number::Number;
use crate::common::parameters::Ints;
use crate::common::types::{INDICES, NUMBERS, Types};
use crate::common::{LATEST, one};
use crate::def::{Grade, OpDef};
use crate::elementwise::map::ignore_consumed_inputs;
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// What becomes of the elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Sum,
    Mean,
    Prod,
    Max,
    Min,
    L1,
    L2,
    SumSquare,
    LogSum,
    LogSumExp,
}

macro_rules! reductions {
    ($($id:ident $name:literal $kind:ident $axes_input:literal $summary:literal;)*) => {$(
        #[doc = concat!("`", $name, "`.")]
        pub static $id: OpDef = OpDef {
            names: &[("", $name)],
            opsets: 1..=LATEST,
            summary: $summary,
            types: "numbers",
            grade: Grade::Within(1, "added up in float64; onnxruntime adds in float32"),
            build: |spec, attrs| build(Kind::$kind, $axes_input, spec, attrs),
        };
    )*};
}

reductions! {
    SUM "ReduceSum" Sum 13 "the sum along axes";
    MEAN "ReduceMean" Mean 18 "the mean along axes";
    PROD "ReduceProd" Prod 18 "the product along axes";
    MAX "ReduceMax" Max 18 "the largest element along axes";
    MIN "ReduceMin" Min 18 "the smallest element along axes";
    L1 "ReduceL1" L1 18 "the sum of absolute values along axes";
    L2 "ReduceL2" L2 18 "the root of the sum of squares along axes";
    SUM_SQUARE "ReduceSumSquare" SumSquare 18 "the sum of squares along axes";
    LOG_SUM "ReduceLogSum" LogSum 18 "the logarithm of the sum along axes";
    LOG_SUM_EXP "ReduceLogSumExp" LogSumExp 18 "the logarithm of the sum of exponentials along axes";
}

struct Reduce {
    kind: Kind,
    axes: Ints,
    keep: bool,
    noop_with_empty_axes: bool,
}

fn build(
    kind: Kind,
    axes_input: i64,
    spec: &NodeSpec,
    attrs: &Attrs,
) -> Result<Box<dyn Operator>, BuildError> {
    ignore_consumed_inputs(spec, attrs);
    let keep = attrs.flag("keepdims")?.unwrap_or(true);
    if spec.op.opset < axes_input {
        spec.expect_inputs(1..=1)?;
        let axes = Ints::Attribute(attrs.ints("axes")?.map(<[i64]>::to_vec));
        return Ok(Box::new(Reduce { kind, axes, keep, noop_with_empty_axes: false }));
    }
    spec.expect_inputs(1..=2)?;
    let noop_with_empty_axes = attrs.flag("noop_with_empty_axes")?.unwrap_or(false);
    Ok(Box::new(Reduce { kind, axes: Ints::Input(1), keep, noop_with_empty_axes }))
}

const MAX_TYPES: Types =
    Types::new("a number or bool", |dtype| dtype == DType::Bool || NUMBERS.contains(dtype));

impl Reduce {
    fn types(&self) -> &'static Types {
        if matches!(self.kind, Kind::Max | Kind::Min) { &MAX_TYPES } else { &NUMBERS }
    }
}

impl Operator for Reduce {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let data = inputs.tensor(0, "data")?;
        let named = self.axes.read(&inputs, "axes")?.filter(|axes| !axes.is_empty());
        let named = if self.noop_with_empty_axes { named.or(Some(vec![])) } else { named };
        let reduced = Reduced::new(data.shape(), named.as_deref())?;
        let shape = reduced.result_shape(self.keep);
        if data.dtype() == DType::Bool {
            self.types().check_tensor(data, "data")?;
            let max = self.kind == Kind::Max;
            let step = move |a: bool, x: bool| if max { a | x } else { a & x };
            let folded = fold(data, &reduced, Fold { identity: !max, step, join: step })?;
            return one(Tensor::new(&shape, folded)?);
        }
        with_number!(data.dtype(), "data", T => {
            one(Tensor::new(&shape, reduce::<T>(self.kind, data, &reduced)?)?)
        })
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        INDICES.check(inputs, 1, "axes")?;
        Ok(vec![self.types().check(inputs, 0, "data")?])
    }
}

/// A number that is added up in a wider one.
trait Wide: Number {
    type Wide: Number;

    fn widen(self) -> Self::Wide;
    /// Rounds floats; integers wrap.
    fn narrow(wide: Self::Wide) -> Self;
}

macro_rules! wide {
    ($($rust:ty => $wide:ty, $widen:expr, $narrow:expr;)*) => {$(
        impl Wide for $rust {
            type Wide = $wide;

            #[inline(always)]
            fn widen(self) -> $wide {
                $widen(self)
            }
            #[inline(always)]
            fn narrow(wide: $wide) -> Self {
                $narrow(wide)
            }
        }
    )*};
}

wide! {
    f16 => f64, |x: f16| f64::from(x.to_f32()), <f16 as Number>::from_f64;
    bf16 => f64, |x: bf16| f64::from(x.to_f32()), <bf16 as Number>::from_f64;
    f32 => f64, f64::from, |x| x as f32;
    f64 => f64, |x| x, |x| x;
    i8 => i64, i64::from, |x| x as i8;
    i16 => i64, i64::from, |x| x as i16;
    i32 => i64, i64::from, |x| x as i32;
    i64 => i64, |x| x, |x| x;
    u8 => u64, u64::from, |x| x as u8;
    u16 => u64, u64::from, |x| x as u16;
    u32 => u64, u64::from, |x| x as u32;
    u64 => u64, |x| x, |x| x;
}

fn reduce<T: Wide>(kind: Kind, data: &Tensor, reduced: &Reduced) -> Result<Vec<T>, OpError> {
    let sum = |map: fn(T::Wide) -> T::Wide| move |a: T::Wide, x: T| Number::add(a, map(x.widen()));
    let join = |a: T::Wide, b: T::Wide| Number::add(a, b);
    let zero = T::Wide::default();
    let adding = |finish: fn(f64) -> f64| {
        let plain = |a: T::Wide, x: T| Number::add(a, x.widen());
        let sums = fold(data, reduced, Fold { identity: zero, step: plain, join })?;
        let finished = sums.into_iter().map(|sum| <T::Wide>::from_f64(finish(sum.to_f64())));
        Ok::<_, OpError>(finished.map(T::narrow).collect())
    };
    let square = |x: T::Wide| Number::mul(x, x);
    match kind {
        Kind::Sum => plain_sum(data, reduced, |a, x: T| Number::add(a, x.widen()), |sum| sum),
        Kind::Mean => {
            let count = reduced.count();
            let n = <T::Wide>::from_f64(count as f64);
            let divide = |sum: T::Wide| match count {
                0 if !T::FLOAT => sum,
                _ => Number::div(sum, n),
            };
            plain_sum(data, reduced, |a, x: T| Number::add(a, x.widen()), divide)
        }
        Kind::L1 => plain_sum(data, reduced, sum(Number::abs), |sum| sum),
        Kind::SumSquare => plain_sum(data, reduced, sum(square), |sum| sum),
        Kind::L2 => {
            let root = |sum: T::Wide| <T::Wide>::from_f64(sum.to_f64().sqrt());
            plain_sum(data, reduced, sum(square), root)
        }
        Kind::LogSum => adding(libm::log),
        Kind::LogSumExp => log_sum_exp(data, reduced),
        Kind::Prod => {
            let step = |a: T::Wide, x: T| Number::mul(a, x.widen());
            let identity = <T::Wide>::from_f64(1.0);
            let fold = fold(data, reduced, Fold { identity, step, join: Number::mul })?;
            Ok(fold.into_iter().map(T::narrow).collect())
        }
        Kind::Max | Kind::Min => extreme(kind, data, reduced),
    }
}

fn plain_sum<T: Wide>(
    data: &Tensor,
    reduced: &Reduced,
    step: impl Fn(T::Wide, T) -> T::Wide,
    finish: impl Fn(T::Wide) -> T::Wide,
) -> Result<Vec<T>, OpError> {
    let identity = T::Wide::default();
    let sums = fold(data, reduced, Fold { identity, step, join: Number::add })?;
    Ok(sums.into_iter().map(|sum| T::narrow(finish(sum))).collect())
}

fn extreme<T: Number>(kind: Kind, data: &Tensor, reduced: &Reduced) -> Result<Vec<T>, OpError> {
    // Infinities saturate to the ends of an integer type.
    let end = |x: f64| <T as Number>::from_f64(x);
    if kind == Kind::Max {
        let join = |a: T, b: T| a.larger(b);
        return fold(data, reduced, Fold { identity: end(f64::NEG_INFINITY), step: join, join });
    }
    let join = |a: T, b: T| a.smaller(b);
    fold(data, reduced, Fold { identity: end(f64::INFINITY), step: join, join })
}

fn log_sum_exp<T: Wide>(data: &Tensor, reduced: &Reduced) -> Result<Vec<T>, OpError> {
    let blocks = reduced.rows::<T>(data)?;
    if reduced.count() == 0 {
        return Ok(vec![T::from_f64(f64::NEG_INFINITY); reduced.results()]);
    }
    let row = |row: &[T]| {
        let largest = row.iter().copied().reduce(Number::larger).map_or(0.0, Number::to_f64);
        if !largest.is_finite() {
            return T::from_f64(largest);
        }
        let sum: f64 = row.iter().map(|x| libm::exp(x.to_f64() - largest)).sum();
        T::from_f64(largest + libm::log(sum))
    };
    Ok(blocks.elements.chunks_exact(blocks.length).map(row).collect())
}

/// The accumulator for each element of the result.
fn fold<T: Element + Copy, A: Copy>(
    data: &Tensor,
    reduced: &Reduced,
    fold: Fold<A, impl Fn(A, T) -> A, impl Fn(A, A) -> A>,
) -> Result<Vec<A>, OpError> {
    if data.is_empty() {
        return Ok(vec![fold.identity; reduced.results()]);
    }
    let blocks = reduced.blocks::<T>(data)?;
    Ok(match blocks.inner {
        1 => rows(&blocks.elements, blocks.length, fold),
        inner => columns(&blocks.elements, (blocks.length, inner), fold.identity, fold.step),
    })
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    fn of(op: &str, axes: &[i64], x: Tensor) -> Tensor {
        node(op).int("keepdims", 0).run([x, ints(axes)])
    }

    #[test]
    fn each_reduction_of_one_row() {
        let row = || floats(&[2], &[3.0, -4.0]);
        for (op, want) in [
            ("ReduceSum", -1.0),
            ("ReduceMean", -0.5),
            ("ReduceProd", -12.0),
            ("ReduceMax", 3.0),
            ("ReduceMin", -4.0),
            ("ReduceL1", 7.0),
            ("ReduceL2", 5.0),
            ("ReduceSumSquare", 25.0),
            ("ReduceLogSumExp", 3.0 + (-7f64).exp().ln_1p() as f32),
        ] {
            assert_tensor(&of(op, &[0], row()), &Tensor::scalar(want));
        }
        let y = of("ReduceLogSum", &[0], floats(&[2], &[1.0, 2.0]));
        assert_tensor(&y, &Tensor::scalar(3f64.ln() as f32));
    }

    #[test]
    fn any_set_of_axes() {
        let x = || count_up(&[2, 3, 2]);
        assert_tensor(&of("ReduceSum", &[1], x()), &floats(&[2, 2], &[6.0, 9.0, 24.0, 27.0]));
        assert_tensor(&of("ReduceSum", &[0, 2], x()), &floats(&[3], &[14.0, 22.0, 30.0]));
        assert_tensor(&of("ReduceMax", &[-1, 0], x()), &floats(&[3], &[7.0, 9.0, 11.0]));
        let y = node("ReduceSum").run([x()]);
        assert_tensor(&y, &floats(&[1, 1, 1], &[66.0]));
    }

    #[test]
    fn no_axes_mean_all_or_none() {
        let y = node("ReduceSumSquare").run([floats(&[2], &[2.0, 3.0]), ints(&[])]);
        assert_tensor(&y, &floats(&[1], &[13.0]));
        let y = node("ReduceSumSquare")
            .int("noop_with_empty_axes", 1)
            .run([floats(&[2], &[2.0, 3.0]), ints(&[])]);
        assert_tensor(&y, &floats(&[2], &[4.0, 9.0]));
    }

    #[test]
    fn no_elements_give_the_identity() {
        let empty = || tensor::<f32>(&[2, 0], &[]);
        assert_tensor(&of("ReduceSum", &[1], empty()), &floats(&[2], &[0.0; 2]));
        assert_tensor(&of("ReduceProd", &[1], empty()), &floats(&[2], &[1.0; 2]));
        assert_tensor(&of("ReduceMax", &[1], empty()), &floats(&[2], &[f32::NEG_INFINITY; 2]));
        let y = of("ReduceMax", &[0], tensor::<i8>(&[0], &[]));
        assert_tensor(&y, &Tensor::scalar(i8::MIN));
        let y = of("ReduceMin", &[0], tensor::<bool>(&[0], &[]));
        assert_tensor(&y, &Tensor::scalar(true));
    }

    #[test]
    fn nan_wins() {
        let y = of("ReduceMax", &[0], floats(&[3], &[1.0, f32::NAN, 2.0]));
        assert!(y.as_scalar::<f32>().unwrap().is_nan());
    }

    #[test]
    fn the_order_of_the_sum_does_not_show() {
        let y = of("ReduceSum", &[0], floats(&[4], &[1e8, 1.0, -1e8, 1.0]));
        assert_tensor(&y, &Tensor::scalar(2f32));
    }

    #[test]
    fn old_opsets_name_axes_in_an_attribute() {
        let y = node("ReduceMean").opset(13).ints("axes", &[1]).run([count_up(&[2, 2])]);
        assert_tensor(&y, &floats(&[2, 1], &[0.5, 2.5]));
    }
}
