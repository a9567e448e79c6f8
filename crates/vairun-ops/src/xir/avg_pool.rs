//! `avgpool2d`: the mean of each window, exact on a grid that has all of its fractions; `pool-fix` of type AVG: the sum
//! times the factor that a DPU puts for its reciprocal.
//!
//! | attribute               | what                                                              |
//! |-------------------------|-------------------------------------------------------------------|
//! | `count_include_pad`     | whether padding counts as elements of a window (it counts as 0)   |
//! | `count_include_invalid` | whether what a rounded-up length adds behind the padding counts    |
//! | `given_after`           | the padding after each dimension that the file gives               |
//! | `factor`                | `pool-fix`: what the sums are multiplied with                      |

use vairun_numeric::contraction::Window;
use vairun_tensor::Tensor;

use super::codes::with_code;
use super::grids::{Grids, multiplier};
use super::matmul::narrowed;
use super::max_pool::pool;
use super::window::Windows;
use super::{Compute, def, node};
use crate::attrs::Attrs;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Inputs, Operator};
use crate::spec::NodeSpec;

/// `avgpool2d`, `pool-fix`.
pub static DEF: OpDef = def(
    &[("xir", "avgpool2d"), ("xir", "pool-fix")],
    "the mean of each window",
    Grade::Exact("ONNX's AveragePool times its factor, on quantized networks of this project"),
    build,
);

struct AvgPool {
    windows: Windows,
    count: Count,
}

enum Count {
    /// All sums are multiplied with this.
    Factor(i64),
    /// What counts as an element.
    Elements { pad: bool, invalid: bool, given_after: Vec<usize> },
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    let windows = Windows::read(attrs)?;
    let missing = |name: &str| BuildError::MissingAttribute(name.into());
    let count = match spec.op.op_type.as_str() {
        "pool-fix" => Count::Factor(attrs.int("factor")?.ok_or_else(|| missing("factor"))?),
        _ => {
            let given = attrs.ints("given_after")?.ok_or_else(|| missing("given_after"))?;
            let given_after =
                given.iter().map(|&n| usize::try_from(n)).collect::<Result<Vec<_>, _>>();
            let given_after =
                given_after.ok().filter(|given| given.len() == windows.kernel().len());
            let refused =
                || Attrs::value("given_after", format!("{given:?}"), "a length for each dimension");
            Count::Elements {
                pad: attrs.flag("count_include_pad")?.unwrap_or(true),
                invalid: attrs.flag("count_include_invalid")?.unwrap_or(true),
                given_after: given_after.ok_or_else(refused)?,
            }
        }
    };
    node(spec, attrs, AvgPool { windows, count })
}

impl Compute for AvgPool {
    fn compute(&self, grids: &Grids, inputs: Inputs) -> Result<Tensor, OpError> {
        let x = inputs.tensor(0, "input")?;
        let (pool, shape) = pool(&self.windows, x)?;
        let mut sums = with_code!(x.dtype(), T => Ok::<_, OpError>(pool.sum(x.as_slice::<T>()?)))?;
        let channels = shape[shape.len() - 1].max(1);
        let places: usize = shape[1..shape.len() - 1].iter().product();
        let factors = self.factors(grids, &self.windows.over(x.shape())?, pool.output())?;
        for (i, sums) in sums.chunks_exact_mut(channels).enumerate() {
            sums.iter_mut().for_each(|sum| *sum *= factors[i % places]);
        }
        narrowed(grids, &shape, sums)
    }
}

impl AvgPool {
    /// What the sum of each window is multiplied with.
    fn factors(
        &self,
        grids: &Grids,
        windows: &[Window],
        output: &[usize],
    ) -> Result<Vec<i64>, OpError> {
        let places = output.iter().product();
        let (pad, invalid, given_after) = match &self.count {
            Count::Factor(factor) => return Ok(vec![*factor; places]),
            Count::Elements { pad, invalid, given_after } => (*pad, *invalid, given_after),
        };
        // The grid of the output has the fractions of every window.
        let whole = grids.output()?;
        let mut counts = vec![1i64];
        for (place, (window, &length)) in windows.iter().zip(output).enumerate() {
            let given = given_after[self.windows.attribute_of(place)];
            let along = (0..length).map(|o| count(window, o, given, pad, invalid));
            let along: Vec<i64> = along.collect();
            counts = counts.iter().flat_map(|n| along.iter().map(move |m| n * m)).collect();
        }
        let factor = |count: i64| {
            let mean = (count > 0).then(|| grids.input(0).divided(count)).flatten();
            multiplier(mean.unwrap_or(grids.input(0)), whole)
        };
        counts.into_iter().map(factor).collect()
    }
}

/// How many elements of the window at `o` count.
fn count(window: &Window, o: usize, given_after: usize, pad: bool, invalid: bool) -> i64 {
    let (input, before) = (window.input as i64, window.pad_begin as i64);
    let begin = (o * window.stride) as i64 - before;
    let end = begin + window.kernel as i64;
    let after = input + given_after as i64;
    let beyond = if invalid { (end - after.max(begin)).max(0) } else { 0 };
    let (low, high) = if pad { (-before, after) } else { (0, input) };
    (end.min(high) - begin.max(low)).max(0) + beyond
}

#[cfg(test)]
mod tests {
    use vairun_tensor::DType;

    use crate::xir::testing::*;

    fn case(op: &str, pad: &[i64]) -> Case {
        xir(op)
            .ints("kernel", &[3, 1])
            .ints("stride", &[1, 1])
            .ints("dilation", &[1, 1])
            .ints("pad", pad)
    }

    #[test]
    fn thirds_are_exact_on_their_grid() {
        let case = case("avgpool2d", &[1, 0, 0, 0]).ints("given_after", &[0, 0]);
        let x = || [tensor(&[1, 1, 3, 1], &[1i8, 2, 4])];
        let with_pad = case.codes_in(&[0]).codes_out(DType::I32, 0).int("output_divisor", 3);
        assert_tensor(&with_pad.run(x()), &tensor(&[1, 1, 2, 1], &[3i32, 7]));
        let without = with_pad.int("count_include_pad", 0).codes_out(DType::I32, 1);
        // On the grid of 1/6: 3/2 and 7/3.
        assert_tensor(&without.run(x()), &tensor(&[1, 1, 2, 1], &[9i32, 14]));
    }

    #[test]
    fn a_dpu_multiplies() {
        let case =
            case("pool-fix", &[0; 4]).int("factor", 7).codes_in(&[0]).codes_out(DType::I32, 6);
        let y = case.run([tensor(&[1, 1, 3, 1], &[1i8, 2, 4])]);
        assert_tensor(&y, &tensor(&[1, 1, 1, 1], &[49i32]));
    }
}
