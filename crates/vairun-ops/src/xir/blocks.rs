//! `pixel-shuffle`, `gstiling`, `reorg`: blocks of `scale` × `scale` pixels to channels (`upscale` 0) or back (1).
//!
//! Channel of the pixel (row, column) of a block, for channel `c` of the large image:
//!
//! - `pixel-shuffle`, as in PyTorch: `(c · scale + row) · scale + column`
//! - `gstiling`: `(row · scale + column) · channels + c`
//! - `reorg`, as in Darknet: as `gstiling`, of an image whose rows were exchanged in groups of `scale²`:
//!   `i · scale + j` with `j · scale + i`

use vairun_tensor::{Element, Tensor};

use super::grids::Grids;
use super::{Compute, def, node};
use crate::attrs::Attrs;
use crate::common::dispatch::with_element;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Inputs, Operator};
use crate::spec::NodeSpec;

/// `pixel-shuffle`, `gstiling`, `reorg`.
pub static DEF: OpDef = def(
    &[("xir", "pixel-shuffle"), ("xir", "gstiling"), ("xir", "reorg")],
    "blocks of pixels to channels, or back",
    Grade::Exact("the vendor's CPU runner (pixel_shuffle.cpp, gstiling.cpp, reorg.cpp)"),
    build,
);

#[derive(Clone, Copy)]
enum Order {
    Shuffle,
    Tiles,
    Reorg,
}

struct Blocks {
    order: Order,
    scale: usize,
    upscale: bool,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    let missing = |name: &str| BuildError::MissingAttribute(name.into());
    let scale = attrs.int("scale")?.ok_or_else(|| missing("scale"))?;
    if !(1..1 << 16).contains(&scale) {
        return Err(Attrs::value("scale", scale, "1 to 65535"));
    }
    let upscale = attrs.flag("upscale")?.ok_or_else(|| missing("upscale"))?;
    let order = match spec.op.op_type.as_str() {
        "pixel-shuffle" => Order::Shuffle,
        "gstiling" => Order::Tiles,
        _ => Order::Reorg,
    };
    node(spec, attrs, Blocks { order, scale: scale as usize, upscale })
}

impl Blocks {
    /// `[batch, height, width, channels]` of the large image, from that of the input.
    fn large(&self, x: &[usize]) -> Option<[usize; 4]> {
        let s = self.scale;
        let &[n, h, w, c] = x else { return None };
        let large = match self.upscale {
            true => {
                (c % (s * s) == 0).then_some([n, h.checked_mul(s)?, w.checked_mul(s)?, c / (s * s)])
            }
            false => (h % s == 0 && w % s == 0).then_some([n, h, w, c]),
        }?;
        let in_groups = !matches!(self.order, Order::Reorg) || large[1] % (s * s) == 0;
        in_groups.then_some(large)
    }

    /// The row of the large image that stands in the place of `row`; it is its own inverse.
    fn row(&self, row: usize) -> usize {
        let s = self.scale;
        match self.order {
            Order::Reorg => row / (s * s) * (s * s) + row % s * s + row / s % s,
            _ => row,
        }
    }

    /// The channel of the small image.
    fn channel(&self, row: usize, column: usize, c: usize, channels: usize) -> usize {
        let s = self.scale;
        match self.order {
            Order::Shuffle => (c * s + row % s) * s + column % s,
            _ => (row % s * s + column % s) * channels + c,
        }
    }

    fn moved<T: Element>(&self, x: &[T], [n, h, w, c]: [usize; 4]) -> Vec<T> {
        let s = self.scale;
        let mut y = x.to_vec();
        for image in 0..n {
            for (row, column) in (0..h).flat_map(|row| (0..w).map(move |column| (row, column))) {
                let large = ((image * h + self.row(row)) * w + column) * c;
                let small = ((image * (h / s) + row / s) * (w / s) + column / s) * c * s * s;
                for channel in 0..c {
                    let (large, small) =
                        (large + channel, small + self.channel(row, column, channel, c));
                    let (from, to) = if self.upscale { (small, large) } else { (large, small) };
                    y[to] = x[from].clone();
                }
            }
        }
        y
    }
}

impl Compute for Blocks {
    fn compute(&self, _: &Grids, inputs: Inputs) -> Result<Tensor, OpError> {
        let (x, s) = (inputs.tensor(0, "input")?, self.scale);
        let large = self.large(x.shape()).ok_or_else(|| OpError::Shape {
            input: "input".into(),
            got: x.shape().to_vec(),
            expected: format!("an image of whole blocks of {s}"),
        })?;
        let [n, h, w, c] = large;
        let shape = if self.upscale { [n, h, w, c] } else { [n, h / s, w / s, c * s * s] };
        with_element!(x.dtype(), T => {
            Ok(Tensor::with_dtype(x.dtype(), &shape, self.moved(x.as_slice::<T>()?, large))?)
        })
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::{DType, Tensor};

    use crate::xir::testing::*;

    fn case(op: &str, upscale: i64) -> Case {
        xir(op).int("scale", 2).int("upscale", upscale).codes_in(&[0]).codes_out(DType::I8, 0)
    }

    fn image() -> Tensor {
        tensor(&[1, 4, 2, 2], &(0..16).collect::<Vec<i8>>())
    }

    #[test]
    fn each_order_has_its_channels() {
        let down = |op| case(op, 0).run([image()]).as_slice::<i8>().unwrap()[..8].to_vec();
        assert_eq!(down("pixel-shuffle"), [0, 2, 4, 6, 1, 3, 5, 7]);
        assert_eq!(down("gstiling"), [0, 1, 2, 3, 4, 5, 6, 7]);
        // Rows 1 and 2 have changed places.
        assert_eq!(down("reorg"), [0, 1, 2, 3, 8, 9, 10, 11]);
    }

    #[test]
    fn there_and_back_is_the_image() {
        for op in ["pixel-shuffle", "gstiling", "reorg"] {
            let small = case(op, 0).run([image()]);
            assert_eq!(small.shape(), [1, 2, 1, 8]);
            assert_tensor(&case(op, 1).run([small]), &image());
        }
    }
}
