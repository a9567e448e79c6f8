//! `GridSample`: an image sampled at the places of a grid.
//!
//! | | name | type | shape |
//! |-|------|------|-------|
//! | 0 | `X` | float16, bfloat16, float32, float64 | `[n, c, d1, .., dk]` |
//! | 1 | `grid` | a float type | `[n, o1, .., ok, k]`: coordinates from -1 to 1, the last dimension first |
//! | → | `Y` | as `X` | `[n, c, o1, .., ok]` |
//!
//! Attributes: `mode` (`linear`, `nearest`, `cubic`, also `bilinear`, `bicubic`; `linear`), `padding_mode` (`zeros`,
//! `border`, `reflection`; `zeros`), `align_corners` (int, 0): whether -1 and 1 are the centres of the outermost pixels
//! instead of their edges.
//!
//! Places are float32, ties of `nearest` go to the even pixel; sums are in float64.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__GridSample.html>, `onnx/reference/ops/op_grid_sample.py` of onnx 1.23.

use crate::common::axes::strides;
use crate::common::dispatch::with_float;
use crate::common::number::Number;
use crate::common::prelude::*;
use crate::common::sizes::result_len;
use crate::common::types::FLOATS;

/// `GridSample`.
pub static DEF: OpDef = OpDef {
    names: &[("", "GridSample")],
    opsets: 16..=LATEST,
    summary: "an image sampled at the places of a grid",
    types: "float16, bfloat16, float32, float64",
    grade: Grade::Within(1, "summed in float64, rounded once"),
    build,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Nearest,
    Linear,
    Cubic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Padding {
    Zeros,
    Border,
    Reflection,
}

struct GridSample {
    mode: Mode,
    padding: Padding,
    align_corners: bool,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(2..=2)?;
    let mode = match attrs.string("mode")?.as_deref() {
        None | Some("linear" | "bilinear") => Mode::Linear,
        Some("nearest") => Mode::Nearest,
        Some("cubic" | "bicubic") => Mode::Cubic,
        Some(other) => return Err(Attrs::value("mode", other, "linear, nearest or cubic")),
    };
    let padding = match attrs.string("padding_mode")?.as_deref() {
        None | Some("zeros") => Padding::Zeros,
        Some("border") => Padding::Border,
        Some("reflection") => Padding::Reflection,
        Some(other) => {
            return Err(Attrs::value("padding_mode", other, "zeros, border or reflection"));
        }
    };
    let align_corners = attrs.flag("align_corners")?.unwrap_or(false);
    Ok(Box::new(GridSample { mode, padding, align_corners }))
}

/// A pixel along an axis and its weight.
type Tap = (usize, f64);

impl Operator for GridSample {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let (x, grid) = (inputs.tensor(0, "X")?, inputs.tensor(1, "grid")?);
        let [n, c, dims @ ..] = x.shape() else {
            return Err(wrong_shape("X", x.shape(), "[n, c, ..]"));
        };
        let k = dims.len();
        let fits = k > 0
            && !dims.contains(&0)
            && grid.rank() == k + 2
            && grid.shape()[0] == *n
            && grid.shape()[k + 1] == k;
        if !fits {
            let expected = format!("[{n}, .., {k}] of rank {}, for X {:?}", k + 2, x.shape());
            return Err(wrong_shape("grid", grid.shape(), expected));
        }
        let places = &grid.shape()[1..=k];
        let shape: Vec<_> = [*n, *c].iter().chain(places).copied().collect();
        let len = result_len(x.dtype(), &shape)?;
        let grid: Vec<f32> = with_float!(grid.dtype(), "grid", T => Ok::<_, OpError>(
            grid.as_slice::<T>()?.iter().map(|x| x.to_f64() as f32).collect()))?;
        let (count, size): (usize, usize) = (places.iter().product(), dims.iter().product());
        with_float!(x.dtype(), "X", T => {
            let planes = x.as_slice::<T>()?;
            let mut y = vec![T::default(); len];
            for (i, at) in grid.chunks_exact(k).enumerate() {
                let taps = self.taps(dims, at);
                let (batch, place) = (i / count, i % count);
                for channel in 0..*c {
                    let plane = &planes[(batch * c + channel) * size..][..size];
                    let sum: f64 = taps.iter().map(|&(at, weight)| plane[at].to_f64() * weight).sum();
                    y[(batch * c + channel) * count + place] = T::from_f64(sum);
                }
            }
            one(Tensor::new(&shape, y)?)
        })
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        FLOATS.check(inputs, 1, "grid")?;
        Ok(vec![FLOATS.check(inputs, 0, "X")?])
    }
}

impl GridSample {
    /// The pixels of a plane that a place is made of.
    fn taps(&self, dims: &[usize], place: &[f32]) -> Vec<Tap> {
        let mut taps = vec![(0, 1.0)];
        for ((&dim, &stride), &at) in dims.iter().zip(&strides(dims)).zip(place.iter().rev()) {
            let along = self.along(dim, at);
            let with = |&(start, weight): &Tap| {
                along
                    .iter()
                    .map(move |&(i, own)| (start + i * stride, weight * own))
                    .collect::<Vec<_>>()
            };
            taps = taps.iter().flat_map(with).collect();
        }
        taps
    }

    fn along(&self, dim: usize, at: f32) -> Vec<Tap> {
        let length = dim as f64;
        let at = f64::from(at);
        let (low, high) =
            if self.align_corners { (0.0, length - 1.0) } else { (-0.5, length - 0.5) };
        let at = if self.align_corners {
            (at + 1.0) / 2.0 * (length - 1.0)
        } else {
            ((at + 1.0) * length - 1.0) / 2.0
        };
        let mut at = f64::from(at as f32);
        if self.mode == Mode::Nearest {
            at = at.round_ties_even();
        }
        if at < low || at > high {
            at = match self.padding {
                Padding::Zeros => at,
                Padding::Border => at.clamp(0.0, length - 1.0),
                Padding::Reflection => f64::from(reflect(at, low, high) as f32),
            };
        }
        if !at.is_finite() {
            return Vec::new();
        }
        let first = at.floor();
        let t = at - first;
        let weights: &[(f64, f64)] = match self.mode {
            Mode::Nearest => &[(at.trunc() - first, 1.0)],
            Mode::Linear => &[(0.0, 1.0 - t), (1.0, t)],
            Mode::Cubic => &cubic(t),
        };
        let tap = |&(offset, weight): &(f64, f64)| {
            Some((self.pixel(first + offset, dim, low, high)?, weight))
        };
        weights.iter().filter_map(tap).collect()
    }

    /// The pixel that stands for place `i`; `None` for a zero.
    fn pixel(&self, i: f64, dim: usize, low: f64, high: f64) -> Option<usize> {
        let last = dim as f64 - 1.0;
        let inside = match self.padding {
            Padding::Zeros if !(0.0..=last).contains(&i) => return None,
            Padding::Zeros => i,
            Padding::Border => i.clamp(0.0, last),
            Padding::Reflection => reflect(i, low, high).trunc().clamp(0.0, last),
        };
        Some(inside as usize)
    }
}

/// Folded back at the borders until it lies within.
fn reflect(at: f64, low: f64, high: f64) -> f64 {
    let range = high - low;
    let distance = if at < low { low - at } else { at - high };
    if distance <= 0.0 || range <= 0.0 {
        return at.clamp(low, high);
    }
    let folds = (distance / range).trunc();
    let rest = distance - folds * range;
    if (folds % 2.0 == 0.0) == (at < low) { low + rest } else { high - rest }
}

/// Keys' convolution with -0.75.
fn cubic(t: f64) -> [(f64, f64); 4] {
    const A: f64 = -0.75;
    let near = |x: f64| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f64| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    [(-1.0, far(t + 1.0)), (0.0, near(t)), (1.0, near(1.0 - t)), (2.0, far(2.0 - t))]
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    fn sample(case: Case, at: [f32; 2]) -> f32 {
        let y: Tensor = case.run([count_up(&[1, 1, 2, 2]), floats(&[1, 1, 1, 2], &at)]);
        y.as_slice::<f32>().unwrap()[0]
    }

    #[test]
    fn the_last_dimension_comes_first() {
        let nearest = || node("GridSample").text("mode", "nearest").int("align_corners", 1);
        assert_eq!(sample(nearest(), [1.0, -1.0]), 1.0);
        assert_eq!(sample(nearest(), [-1.0, 1.0]), 2.0);
    }

    #[test]
    fn the_middle_is_the_mean() {
        for mode in ["linear", "cubic"] {
            let case = node("GridSample").text("mode", mode).text("padding_mode", "border");
            assert_eq!(sample(case, [0.0, 0.0]), 1.5, "{mode}");
        }
    }

    #[test]
    fn beyond_the_border() {
        let of =
            |padding: &str| sample(node("GridSample").text("padding_mode", padding), [-3.0, -1.0]);
        assert_eq!((of("zeros"), of("border")), (0.0, 0.0));
        assert_eq!(
            sample(node("GridSample").text("padding_mode", "reflection"), [-2.0, -0.5]),
            0.5
        );
    }
}
