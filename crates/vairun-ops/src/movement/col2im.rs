//! `Col2Im`: blocks of an image put together, overlapping elements added up.
//!
//! | | name | type | shape |
//! |-|------|------|-------|
//! | 0 | `input` | numbers | `[n, c · block elements, blocks]` |
//! | 1 | `image_shape` | int64 | `[k]` |
//! | 2 | `block_shape` | int64 | `[k]` |
//! | → | `output` | as `input` | `[n, c, image_shape]` |
//!
//! Attributes: `dilations`, `strides` (ints, 1s), `pads` (ints, 0s: all begins, then all ends).
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Col2Im.html>.

use crate::common::axes::strides as distances;
use crate::common::dispatch::with_number;
use crate::common::number::Number;
use crate::common::parameters::integers;
use crate::common::prelude::*;
use crate::common::sizes::{dim, result_len};
use crate::common::types::{INDICES, NUMBERS};

/// `Col2Im`.
pub static DEF: OpDef = OpDef {
    names: &[("", "Col2Im")],
    opsets: 18..=LATEST,
    summary: "blocks of an image put together",
    types: "input numbers; shapes int64",
    grade: Grade::Exact("ONNX"),
    build,
};

struct Col2Im {
    dilations: Option<Vec<i64>>,
    pads: Option<Vec<i64>>,
    strides: Option<Vec<i64>>,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(3..=3)?;
    let list = |name: &'static str| Ok::<_, BuildError>(attrs.ints(name)?.map(<[i64]>::to_vec));
    Ok(Box::new(Col2Im {
        dilations: list("dilations")?,
        pads: list("pads")?,
        strides: list("strides")?,
    }))
}

/// Where the elements of blocks lie along one axis of the image.
struct Axis {
    image: usize,
    block: usize,
    /// Blocks along the axis.
    count: usize,
    stride: i64,
    dilation: i64,
    start: i64,
}

impl Operator for Col2Im {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "input")?;
        let image = integers(inputs.tensor(1, "image_shape")?, "image_shape")?;
        let block = integers(inputs.tensor(2, "block_shape")?, "block_shape")?;
        let axes = self.axes(&image, &block)?;
        let &[n, rows, blocks] = x.shape() else {
            return Err(wrong_shape("input", x.shape(), "[n, c · block elements, blocks]"));
        };
        let product = |of: fn(&Axis) -> usize| {
            axes.iter().try_fold(1usize, |product, axis| product.checked_mul(of(axis)))
        };
        let elements = product(|axis| axis.block).filter(|&elements| elements > 0);
        let fits = elements.filter(|&elements| rows.is_multiple_of(elements));
        let (Some(elements), true) = (fits, product(|axis| axis.count) == Some(blocks)) else {
            let expected =
                "rows that are a multiple of a block, and as many blocks as fit the image";
            return Err(wrong_shape("input", x.shape(), expected));
        };
        let channels = rows / elements;
        let mut shape = vec![n, channels];
        shape.extend(axes.iter().map(|axis| axis.image));
        let len = result_len(x.dtype(), &shape)?;
        let places = places(&axes);
        let size: usize = axes.iter().map(|axis| axis.image).product();
        with_number!(x.dtype(), "input", T => {
            let mut y = vec![T::default(); len];
            let planes = x.as_slice::<T>()?.chunks_exact((elements * blocks).max(1));
            for (plane, y) in planes.zip(y.chunks_exact_mut(size.max(1))) {
                for (&x, place) in plane.iter().zip(&places) {
                    if let Some(place) = *place {
                        y[place] = Number::add(y[place], x);
                    }
                }
            }
            one(Tensor::new(&shape, y)?)
        })
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        INDICES.check(inputs, 1, "image_shape")?;
        INDICES.check(inputs, 2, "block_shape")?;
        Ok(vec![NUMBERS.check(inputs, 0, "input")?])
    }
}

impl Col2Im {
    fn axes(&self, image: &[i64], block: &[i64]) -> Result<Vec<Axis>, OpError> {
        let k = image.len();
        let list = |values: &Option<Vec<i64>>, default: i64, count: usize, name: &str| {
            let values = values.clone().unwrap_or_else(|| vec![default; count]);
            let sensible = values.iter().all(|&n| (default..1 << 31).contains(&n));
            if values.len() == count && sensible {
                Ok(values)
            } else {
                Err(wrong_value(
                    name,
                    format!("{values:?}"),
                    format!("{count} numbers of {default} or more"),
                ))
            }
        };
        let dilations = list(&self.dilations, 1, k, "dilations")?;
        let strides = list(&self.strides, 1, k, "strides")?;
        let pads = list(&self.pads, 0, 2 * k, "pads")?;
        if block.len() != k {
            return Err(wrong_shape("block_shape", &[block.len()], format!("[{k}]")));
        }
        let axis = |i: usize| {
            let (size, own) = (dim(image[i], "image_shape")?, dim(block[i], "block_shape")?);
            if image[i] > 1 << 31 || block[i] > 1 << 31 {
                return Err(OpError::TooLarge(vec![size, own]));
            }
            let room = image[i] + pads[i] + pads[k + i] - dilations[i] * (block[i] - 1) - 1;
            let count = if room < 0 { 0 } else { room / strides[i] + 1 };
            Ok(Axis {
                image: size,
                block: own,
                count: count as usize,
                stride: strides[i],
                dilation: dilations[i],
                start: -pads[i],
            })
        };
        (0..k).map(axis).collect()
    }
}

/// Where each element of each block lies in the image; `None` for padding.
fn places(axes: &[Axis]) -> Vec<Option<usize>> {
    let shape: Vec<_> = axes.iter().map(|axis| axis.image).collect();
    let along = |(axis, distance): (&Axis, usize), element: usize, block: usize| {
        let at = axis.start + block as i64 * axis.stride + element as i64 * axis.dilation;
        usize::try_from(at).ok().filter(|&at| at < axis.image).map(|at| at * distance)
    };
    let distances = distances(&shape);
    let walk = |of: fn(&Axis) -> usize| {
        let mut all: Vec<Vec<usize>> = vec![vec![]];
        for axis in axes {
            let grown = |index: &Vec<usize>| {
                (0..of(axis)).map(|i| [&index[..], &[i]].concat()).collect::<Vec<_>>()
            };
            all = all.iter().flat_map(grown).collect();
        }
        all
    };
    let (elements, blocks) = (walk(|axis| axis.block), walk(|axis| axis.count));
    let mut places = Vec::with_capacity(elements.len() * blocks.len());
    for element in &elements {
        for block in &blocks {
            let parts = axes.iter().zip(distances.iter().copied()).enumerate();
            places.push(parts.map(|(i, axis)| along(axis, element[i], block[i])).sum());
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use crate::common::testing::*;

    #[test]
    fn overlapping_elements_add_up() {
        let y = node("Col2Im").run([count_up(&[1, 2, 2]), ints(&[3]), ints(&[2])]);
        // Blocks (0, 2) and (1, 3), the second one place further.
        assert_tensor(&y, &floats(&[1, 1, 3], &[0.0, 3.0, 3.0]));
    }

    #[test]
    fn blocks_must_fit() {
        assert!(node("Col2Im").try_run([count_up(&[1, 2, 3]), ints(&[3]), ints(&[2])]).is_err());
        assert!(node("Col2Im").try_run([count_up(&[1, 2, 2]), ints(&[-3]), ints(&[2])]).is_err());
    }
}
