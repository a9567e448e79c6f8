//! `pad`: elements before and after each dimension (`paddings`), of `value` (`CONSTANT`), mirrored without the edge
//! (`REFLECT`) or with it (`SYMMETRIC`).

use vairun_tensor::{Element, Tensor};

use super::codes::{codes, source, with_code};
use super::grids::Grids;
use super::{Compute, def, node};
use crate::attrs::Attrs;
use crate::common::axes::around;
use crate::common::sizes::result_len;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Inputs, Operator};
use crate::spec::NodeSpec;

/// `pad`.
pub static DEF: OpDef =
    def(&[("xir", "pad")], "more elements around a tensor", Grade::Exact("ONNX's Pad"), build);

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Constant,
    Reflect,
    Symmetric,
}

struct Pad {
    paddings: Vec<i64>,
    mode: Mode,
    value: f32,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    let missing = |name: &str| BuildError::MissingAttribute(name.into());
    let paddings = attrs.ints("paddings")?.ok_or_else(|| missing("paddings"))?.to_vec();
    let mode = match attrs.string("mode")?.ok_or_else(|| missing("mode"))?.as_str() {
        "CONSTANT" => Mode::Constant,
        "REFLECT" => Mode::Reflect,
        "SYMMETRIC" => Mode::Symmetric,
        other => return Err(Attrs::value("mode", other, "CONSTANT, REFLECT or SYMMETRIC")),
    };
    let value = attrs.float("value")?.unwrap_or(0.0);
    node(spec, attrs, Pad { paddings, mode, value })
}

impl Pad {
    /// Where the elements of each dimension come from; `None` for padding with the value.
    fn sources(&self, shape: &[usize]) -> Option<Vec<Vec<Option<usize>>>> {
        let axis = |(d, &length): (usize, &usize)| {
            let (before, after) = (self.paddings[2 * d], self.paddings[2 * d + 1]);
            let n = i64::try_from(length).ok()?;
            let most = match self.mode {
                Mode::Constant => i64::from(u32::MAX),
                Mode::Reflect => n - 1,
                Mode::Symmetric => n,
            };
            let fits = (0..=most).contains(&before) && (0..=most).contains(&after);
            fits.then(|| (-before..n + after).map(|i| self.place(i, n)).collect())
        };
        let fits = self.paddings.len() == 2 * shape.len();
        if fits { shape.iter().enumerate().map(axis).collect() } else { None }
    }

    fn place(&self, i: i64, n: i64) -> Option<usize> {
        let edge = i64::from(self.mode == Mode::Symmetric);
        let mirrored = if i < 0 {
            -i - edge
        } else if i >= n {
            2 * (n - 1) - i + edge
        } else {
            i
        };
        let padding = self.mode == Mode::Constant && i != mirrored;
        if padding || (self.mode == Mode::Constant && !(0..n).contains(&i)) {
            return None;
        }
        usize::try_from(mirrored).ok()
    }
}

/// `x` with the dimensions `shape`, each drawn from `sources`; `fill` where there is none.
fn gather<T: Copy>(x: &[T], shape: &[usize], sources: &[Vec<Option<usize>>], fill: T) -> Vec<T> {
    let mut shape = shape.to_vec();
    let mut x = x.to_vec();
    for (axis, sources) in sources.iter().enumerate() {
        let (outer, length, inner) = around(&shape, axis);
        let mut out = Vec::with_capacity(outer * sources.len() * inner);
        for row in 0..outer {
            for &source in sources {
                match source {
                    Some(at) => out.extend_from_slice(&x[(row * length + at) * inner..][..inner]),
                    None => out.extend(std::iter::repeat_n(fill, inner)),
                }
            }
        }
        shape[axis] = sources.len();
        x = out;
    }
    x
}

impl Compute for Pad {
    fn compute(&self, grids: &Grids, inputs: Inputs) -> Result<Tensor, OpError> {
        let x = inputs.tensor(0, "input")?;
        let padded: Option<Vec<usize>> = (self.paddings.len() == 2 * x.rank())
            .then(|| (0..x.rank()).map(|d| self.length(d, x.shape()[d])).collect())
            .flatten();
        let refused = || OpError::Shape {
            input: "input".into(),
            got: x.shape().to_vec(),
            expected: format!("a shape that {:?} can pad", self.paddings),
        };
        let shape = padded.ok_or_else(refused)?;
        result_len(x.dtype(), &shape)?;
        let sources = self.sources(x.shape()).ok_or_else(refused)?;
        if grids.is_real() {
            return filled(x, &shape, &sources, self.value);
        }
        let multiplier = grids.multiplier(0)?;
        let fill = f64::from(self.value)
            * f64::from(grids.output()?.fix_point).exp2()
            * grids.output()?.divisor as f64;
        let aligned = source(x, multiplier)?;
        with_code!(grids.dtype(), S => {
            let x: Vec<S> = vairun_numeric::fixed::map(x.len(), aligned.as_ref(), |code| code);
            let x = codes::<S>(grids.dtype(), inputs.tensor(0, "input")?.shape(), x)?;
            filled(&x, &shape, &sources, fill as S)
        })
    }
}

impl Pad {
    fn length(&self, d: usize, length: usize) -> Option<usize> {
        let added = self.paddings[2 * d].checked_add(self.paddings[2 * d + 1])?;
        length.checked_add_signed(isize::try_from(added).ok()?)
    }
}

fn filled<T: Element + Copy>(
    x: &Tensor,
    shape: &[usize],
    sources: &[Vec<Option<usize>>],
    fill: T,
) -> Result<Tensor, OpError> {
    let y = gather(x.as_slice::<T>()?, x.shape(), sources, fill);
    Ok(Tensor::with_dtype(x.dtype(), shape, y)?)
}

#[cfg(test)]
mod tests {
    use vairun_tensor::DType;

    use crate::xir::testing::*;

    fn case(mode: &str, paddings: &[i64]) -> Case {
        xir("pad")
            .ints("paddings", paddings)
            .text("mode", mode)
            .codes_in(&[1])
            .codes_out(DType::I8, 1)
    }

    #[test]
    fn the_modes_differ_at_the_edge() {
        let x = || [tensor(&[1, 3], &[1i8, 2, 3])];
        let paddings = [0, 0, 2, 1];
        let constant = case("CONSTANT", &paddings).float("value", 4.5);
        assert_tensor(&constant.run(x()), &tensor(&[1, 6], &[9i8, 9, 1, 2, 3, 9]));
        assert_tensor(
            &case("REFLECT", &paddings).run(x()),
            &tensor(&[1, 6], &[3i8, 2, 1, 2, 3, 2]),
        );
        assert_tensor(
            &case("SYMMETRIC", &paddings).run(x()),
            &tensor(&[1, 6], &[2i8, 1, 1, 2, 3, 3]),
        );
        assert!(case("REFLECT", &[0, 0, 3, 0]).error(x()).contains("can pad"));
    }
}
