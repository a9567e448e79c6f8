//! `PPScatterV2`: the features of pillars to their places in a picture; channels stand second.
//!
//! `out[0, :, y, x] = features[0, :, i, 0]` for `places[0, i] = [_, _, y, x]`, until the first negative `x`; elsewhere
//! 0. A place outside of the picture is an error.

use vairun_tensor::{DType, Tensor};

use super::codes::reals;
use super::grids::Grids;
use super::{Compute, EXECUTOR, def, node};
use crate::attrs::Attrs;
use crate::common::dispatch::with_number;
use crate::common::sizes::{dim, result_len};
use crate::def::OpDef;
use crate::error::{BuildError, OpError};
use crate::operator::{Inputs, Operator};
use crate::spec::NodeSpec;

/// `PPScatterV2`.
pub static DEF: OpDef =
    def(&[("xir", "PPScatterV2")], "pillars to a picture (PointPillars)", EXECUTOR, build);

struct PpScatter {
    size: [i64; 2],
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(2..=2)?;
    let size = attrs.ints("size")?.ok_or_else(|| BuildError::MissingAttribute("size".into()))?;
    let size = size
        .try_into()
        .map_err(|_| Attrs::value("size", format!("{size:?}"), "height and width"))?;
    node(spec, attrs, PpScatter { size })
}

impl Compute for PpScatter {
    fn compute(&self, grids: &Grids, inputs: Inputs) -> Result<Tensor, OpError> {
        let (features, places) = (inputs.tensor(0, "features")?, inputs.tensor(1, "places")?);
        let (&[1, c, n, 1], &[1, m, 4]) = (features.shape(), places.shape()) else {
            return Err(shape(features));
        };
        if n != m {
            return Err(shape(places));
        }
        let (h, w) = (dim(self.size[0], "size")?, dim(self.size[1], "size")?);
        let count = result_len(features.dtype(), &[1, c, h, w])?;
        let places = reals(places, grids.input(1))?;
        let places = places_in(places.as_slice::<f32>()?, h, w)?;
        with_number!(if features.dtype() == DType::I4 { DType::I8 } else { features.dtype() }, "features", T => {
            let from = features.as_slice::<T>()?;
            let mut out = vec![T::default(); count];
            for (i, at) in places.into_iter().enumerate() {
                (0..c).for_each(|channel| out[channel * h * w + at] = from[channel * n + i]);
            }
            Ok(Tensor::with_dtype(features.dtype(), &[1, c, h, w], out)?)
        })
    }
}

/// `y · width + x` of each pillar before the first without a place.
fn places_in(places: &[f32], h: usize, w: usize) -> Result<Vec<usize>, OpError> {
    let mut found = Vec::new();
    for place in places.chunks_exact(4) {
        let (y, x) = (place[2], place[3]);
        if x < 0.0 {
            break;
        }
        let inside = |at: f32, length: usize| at >= 0.0 && at < length as f32;
        if !inside(y, h) || !inside(x, w) {
            return Err(OpError::Value {
                input: "places".into(),
                got: format!("[{y}, {x}]"),
                expected: format!("a place in {h} × {w}"),
            });
        }
        found.push(y as usize * w + x as usize);
    }
    Ok(found)
}

fn shape(got: &Tensor) -> OpError {
    let expected = "features [1, c, n, 1] and places [1, n, 4]".into();
    OpError::Shape { input: "input".into(), got: got.shape().to_vec(), expected }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xir::testing::*;

    fn case() -> Case {
        xir("PPScatterV2").ints("size", &[2, 2]).codes_in(&[0, 0]).codes_out(DType::I8, 0)
    }

    #[test]
    fn pillars_go_to_their_places_until_one_has_none() {
        let features = tensor(&[1, 2, 3, 1], &[1i8, 2, 3, 10, 20, 30]);
        let places =
            floats(&[1, 3, 4], &[0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0]);
        let y = case().run([features, places]);
        assert_tensor(&y, &tensor(&[1, 2, 2, 2], &[0i8, 2, 1, 0, 0, 20, 10, 0]));
    }

    #[test]
    fn a_place_outside_of_the_picture_is_an_error() {
        let places = floats(&[1, 1, 4], &[0.0, 0.0, 2.0, 0.0]);
        let error = case().error([tensor(&[1, 1, 1, 1], &[1i8]), places]);
        assert_eq!(error, "places is [2, 0], expected a place in 2 × 2");
    }
}
