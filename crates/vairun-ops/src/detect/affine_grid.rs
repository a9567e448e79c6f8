//! `AffineGrid`: the places that an affine map takes the pixels of an image to, for GridSample.
//!
//! | | name | type | shape |
//! |-|------|------|-------|
//! | 0 | `theta` | float16, bfloat16, float32, float64 | `[n, 2, 3]` or `[n, 3, 4]` |
//! | 1 | `size` | int64 | `[4]`: n, c, h, w, or `[5]`: n, c, d, h, w |
//! | → | `grid` | as `theta` | `[n, h, w, 2]` or `[n, d, h, w, 3]` |
//!
//! Attributes: `align_corners` (int, 0): whether -1 and 1 are the centres of the outermost pixels.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__AffineGrid.html>. Computed in float64, rounded once.

use crate::common::dispatch::with_float;
use crate::common::number::Number;
use crate::common::parameters::integers;
use crate::common::prelude::*;
use crate::common::sizes::{dim, result_len};
use crate::common::types::{FLOATS, INDICES};
use crate::common::walk::offsets;

/// `AffineGrid`.
pub static DEF: OpDef = OpDef {
    names: &[("", "AffineGrid")],
    opsets: 20..=LATEST,
    summary: "the places that an affine map takes pixels to",
    types: "theta float16, bfloat16, float32, float64; size int64",
    grade: Grade::Within(1, "computed in float64, rounded once"),
    build,
};

struct AffineGrid {
    align_corners: bool,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(2..=2)?;
    Ok(Box::new(AffineGrid { align_corners: attrs.flag("align_corners")?.unwrap_or(false) }))
}

impl Operator for AffineGrid {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let theta = inputs.tensor(0, "theta")?;
        let size = integers(inputs.tensor(1, "size")?, "size")?;
        let size = size.iter().map(|&n| dim(n, "size")).collect::<Result<Vec<_>, _>>()?;
        let [n, _, space @ ..] = &size[..] else {
            return Err(wrong_shape("size", &[size.len()], "[4] or [5]"));
        };
        let k = space.len();
        if !matches!(k, 2 | 3) || theta.shape() != [*n, k, k + 1] {
            return Err(wrong_shape("theta", theta.shape(), format!("[{n}, {k}, {}]", k + 1)));
        }
        let shape: Vec<_> = [*n].iter().chain(space).chain(&[k]).copied().collect();
        let len = result_len(theta.dtype(), &shape)?;
        let pixels = offsets(space, &crate::common::axes::strides(space));
        let steps = crate::common::axes::strides(space);
        with_float!(theta.dtype(), "theta", T => {
            let mut grid: Vec<T> = Vec::with_capacity(len);
            for map in theta.as_slice::<T>()?.chunks_exact((k * (k + 1)).max(1)) {
                for &pixel in &pixels {
                    // The last axis comes first.
                    let at = |axis: usize| self.place(pixel / steps[axis] % space[axis], space[axis]);
                    for row in map.chunks_exact(k + 1) {
                        let linear: f64 = (0..k).map(|i| row[i].to_f64() * at(k - 1 - i)).sum();
                        grid.push(T::from_f64(linear + row[k].to_f64()));
                    }
                }
            }
            one(Tensor::new(&shape, grid)?)
        })
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        INDICES.check(inputs, 1, "size")?;
        Ok(vec![FLOATS.check(inputs, 0, "theta")?])
    }
}

impl AffineGrid {
    /// The place of pixel `i` of `size` between -1 and 1.
    fn place(&self, i: usize, size: usize) -> f64 {
        let (i, n) = (i as f64, size as f64);
        if self.align_corners { -1.0 + 2.0 * i / (n - 1.0) } else { (2.0 * i + 1.0) / n - 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use crate::common::testing::*;

    #[test]
    fn the_identity_gives_the_pixels() {
        let identity = floats(&[1, 2, 3], &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        let y = node("AffineGrid").run([identity, ints(&[1, 1, 1, 2])]);
        assert_tensor(&y, &floats(&[1, 1, 2, 2], &[-0.5, 0.0, 0.5, 0.0]));
    }

    #[test]
    fn maps_and_sizes_must_fit() {
        let theta = || count_up(&[1, 2, 3]);
        assert!(node("AffineGrid").try_run([theta(), ints(&[1, 1, 2, 2, 2])]).is_err());
        assert!(node("AffineGrid").try_run([theta(), ints(&[1, 1, 1 << 40, 2])]).is_err());
    }
}
