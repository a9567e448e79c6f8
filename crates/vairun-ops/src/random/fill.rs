//! `RandomUniform`, `RandomNormal`, the forms that take the shape of a tensor, and `Bernoulli`.
//!
//! | operator | input | output |
//! |----------|-------|--------|
//! | `RandomUniform`, `RandomNormal` | none | `shape` of `dtype` |
//! | `RandomUniformLike`, `RandomNormalLike` | a tensor of any type | its shape, of `dtype` or its type |
//! | `Bernoulli` | probabilities | 1 or 0 of `dtype` or their type: whether a number is below the probability |
//!
//! Attributes: `shape` (ints, required), `dtype` (int, float32), `seed` (float), `low` (float, 0), `high` (float, 1), `mean`
//! (float, 0), `scale` (float, 1).
//!
//! The numbers are those of numpy's `RandomState` with that seed, which ONNX's reference uses; onnxruntime has others.
//!
//! Source: <https://onnx.ai/onnx/operators/>, the pages of the same names.

use vairun_numeric::narrow::{Overflow, PowerRound};

use super::mersenne_twister::MersenneTwister;
use super::seed;
use crate::cast::convert::{Rules, convert};
use crate::common::prelude::*;
use crate::common::sizes::{dim, result_len};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Uniform,
    Normal,
    Bernoulli,
}

macro_rules! operators {
    ($($id:ident $name:literal $since:literal $kind:ident $like:literal $summary:literal;)*) => {$(
        #[doc = concat!("`", $name, "`.")]
        pub static $id: OpDef = OpDef {
            names: &[("", $name)],
            opsets: $since..=LATEST,
            summary: $summary,
            types: "numbers",
            grade: Grade::Runs,
            build: |spec, attrs| build(Kind::$kind, $like, spec, attrs),
        };
    )*};
}

operators! {
    BERNOULLI "Bernoulli" 15 Bernoulli true "1 with given probabilities, else 0";
    NORMAL "RandomNormal" 1 Normal false "normally distributed random numbers";
    NORMAL_LIKE "RandomNormalLike" 1 Normal true "normally distributed random numbers";
    UNIFORM "RandomUniform" 1 Uniform false "equally distributed random numbers";
    UNIFORM_LIKE "RandomUniformLike" 1 Uniform true "equally distributed random numbers";
}

struct Fill {
    kind: Kind,
    /// `None`: that of the input.
    shape: Option<Vec<i64>>,
    dtype: Option<DType>,
    seed: u32,
    /// `low` and `high`, or `mean` and `scale`.
    range: [f32; 2],
}

fn build(kind: Kind, like: bool, spec: &NodeSpec, attrs: &Attrs) -> Built {
    let shape = if like {
        spec.expect_inputs(1..=1)?;
        None
    } else {
        spec.expect_inputs(0..=0)?;
        let shape = attrs.ints("shape")?;
        Some(shape.ok_or_else(|| BuildError::MissingAttribute("shape".into()))?.to_vec())
    };
    let float = |name: &'static str, default: f32| {
        Ok::<_, BuildError>(attrs.float(name)?.unwrap_or(default))
    };
    let range = match kind {
        Kind::Uniform => [float("low", 0.0)?, float("high", 1.0)?],
        Kind::Normal => [float("mean", 0.0)?, float("scale", 1.0)?],
        Kind::Bernoulli => [0.0, 1.0],
    };
    let dtype = attrs.dtype("dtype")?.or(if like { None } else { Some(DType::F32) });
    Ok(Box::new(Fill { kind, shape, dtype, seed: seed(spec, attrs)?, range }))
}

const RULES: Rules = Rules { overflow: Overflow::Saturate, power_round: PowerRound::Up };

impl Operator for Fill {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let like = inputs.optional(0)?;
        let shape = match (&self.shape, like) {
            (Some(shape), _) => shape.iter().map(|&d| dim(d, "shape")).collect::<Result<_, _>>()?,
            (None, Some(like)) => like.shape().to_vec(),
            (None, None) => return Err(OpError::Missing("input")),
        };
        let dtype = self.dtype.or(like.map(Tensor::dtype)).unwrap_or(DType::F32);
        let count = result_len(DType::F64, &shape)?;
        let mut twister = MersenneTwister::new(self.seed);
        let [a, b] = self.range.map(f64::from);
        let numbers: Vec<f64> = match (self.kind, like) {
            (Kind::Uniform, _) => (0..count).map(|_| twister.uniform() * (b - a) + a).collect(),
            (Kind::Normal, _) => (0..count).map(|_| twister.normal() * b + a).collect(),
            (Kind::Bernoulli, like) => {
                let p = convert(like.ok_or(OpError::Missing("input"))?, DType::F64, RULES)?;
                let p = p.as_slice::<f64>()?.iter();
                p.map(|&p| f64::from(u8::from(twister.uniform() < p))).collect()
            }
        };
        one(convert(&Tensor::new(&shape, numbers)?, dtype, RULES)?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        Ok(vec![self.dtype.or(inputs.first().copied().flatten())])
    }
}

#[cfg(test)]
mod tests {
    use crate::common::testing::*;

    #[test]
    fn a_seed_gives_the_same_numbers_again() {
        let run = || node("RandomUniform").ints("shape", &[2]).float("seed", 0.0).run([]);
        assert_tensor(&run(), &floats(&[2], &[0.548_813_5, 0.715_189_34]));
        assert_tensor(&run(), &run());
    }

    #[test]
    fn certain_and_impossible_events() {
        let y = node("Bernoulli").int("dtype", 7).run([floats(&[3], &[0.0, 1.0, 0.0])]);
        assert_tensor(&y, &ints(&[0, 1, 0]));
    }

    #[test]
    fn hostile_shapes_are_refused() {
        let error = node("RandomNormal").ints("shape", &[1 << 40]).error([]);
        assert!(error.contains("more than memory can hold"), "{error}");
    }
}
