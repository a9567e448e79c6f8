//! How `vai` spreads a scale and a zero point over a tensor.
//!
//! The reference inserts dimensions of 1 into a scale of more than one element wherever `i ≠ axis`, counting
//! `axis` as it stands, and lets numpy broadcast:
//!
//! - `0 ≤ axis < rank`: along `axis`.
//! - `axis` out of range, or none: along the last dimension.
//! - `-rank ≤ axis < 0` (no exporter writes it): the scale gets one dimension too many, so it runs along the **last**
//!   dimension whatever the axis is, and the result gains a leading dimension of 1. Here -1 is taken for the last
//!   dimension and the rank stays; any other negative axis is refused, because what it says is not what the reference
//!   computes. With `permissive` the reference is followed to the letter.
//!
//! A dimension of 1 in `x` is stretched to the number of scales.
//!
//! Source: `load_vai_ops` of pytorch_nndct 3.5.0 (operators.md §1.5).

use vairun_numeric::spread::Spread;
use vairun_numeric::vai::Grid;
use vairun_tensor::{Dequantized, Tensor};

use super::parameters::{integer, integers, scales, wrong_shape};
use crate::error::OpError;
use crate::operator::Inputs;

/// The scale, the zero point and the axis of a node.
pub(super) struct VaiGrid {
    scales: Vec<f32>,
    zero_points: Vec<i32>,
    /// The greater rank of scale and zero point.
    rank: usize,
    /// Whether the parameters run along an axis because of the scale; a zero point alone is only broadcast.
    by_scale: bool,
    axis: Option<i64>,
}

/// Where the parameters of a node lie over its input.
pub(super) struct Placement {
    pub(super) spread: Spread,
    /// One for each parameter.
    pub(super) grids: Vec<Grid>,
    /// The shape of the result.
    pub(super) shape: Vec<usize>,
    /// The dimension of the result that parameters run along.
    axis: Option<usize>,
    /// How often blocks of so many elements of the input are repeated to fill the result.
    stretch: Option<(usize, usize)>,
}

impl VaiGrid {
    /// Reads the inputs `scale`, `scale + 1` (the zero point) and `axis`, which may be left out.
    pub(super) fn read(inputs: &Inputs, scale: usize, axis: usize) -> Result<Self, OpError> {
        let (scale, zero_point) =
            (inputs.tensor(scale, "scale")?, inputs.tensor(scale + 1, "zero_point")?);
        let axis = inputs.optional(axis)?.map(|axis| integer(axis, "axis")).transpose()?;
        let (scales, zero_points) = (scales(scale, "scale")?, integers(zero_point, "zero_point")?);
        for (name, tensor) in [("scale", scale), ("zero_point", zero_point)] {
            if tensor.is_empty() || (tensor.rank() > 1 && tensor.len() > 1) {
                return Err(wrong_shape(name, tensor.shape(), "[] or [n]"));
            }
        }
        if scales.len() > 1 && zero_points.len() > 1 && scales.len() != zero_points.len() {
            let expected = format!("as many elements as scale, which has {}", scales.len());
            return Err(wrong_shape("zero_point", zero_point.shape(), expected));
        }
        Ok(Self {
            rank: scale.rank().max(zero_point.rank()),
            by_scale: scales.len() > 1,
            scales: scales.into_owned(),
            zero_points,
            axis,
        })
    }

    fn count(&self) -> usize {
        self.scales.len().max(self.zero_points.len())
    }

    /// The grid, where it is one for the whole tensor.
    pub(super) fn single(&self) -> Option<Grid> {
        (self.count() == 1).then(|| self.grids()[0])
    }

    fn grids(&self) -> Vec<Grid> {
        let one_for_all = |n: usize, i: usize| if n == 1 { 0 } else { i };
        let grid = |i| Grid {
            scale: self.scales[one_for_all(self.scales.len(), i)],
            zero_point: self.zero_points[one_for_all(self.zero_points.len(), i)] as f32,
        };
        (0..self.count()).map(grid).collect()
    }

    /// Lays the parameters over an input of shape `x`.
    pub(super) fn place(&self, x: &[usize], permissive: bool) -> Result<Placement, OpError> {
        let grids = self.grids();
        if self.count() == 1 {
            // Broadcasting gives at least the rank of the parameters.
            let shape = [vec![1; self.rank.saturating_sub(x.len())], x.to_vec()].concat();
            return Ok(Placement {
                spread: Spread::Tensor,
                grids,
                shape,
                axis: None,
                stretch: None,
            });
        }
        let (mut shape, axis) = self.axis_of(x, permissive)?;
        let (length, count) = (shape[axis], self.count());
        let inner = shape[axis + 1..].iter().product();
        if length != count && length != 1 {
            let expected =
                format!("{length} elements, one for each index of dimension {axis} of x");
            return Err(wrong_shape("scale", &[count], expected));
        }
        shape[axis] = count;
        let stretch = (length != count).then_some((inner, count));
        let spread = Spread::Axis { length: count, inner };
        Ok(Placement { spread, grids, shape, axis: Some(axis), stretch })
    }

    /// The shape of the input as broadcasting sees it, and the dimension that the parameters run along.
    fn axis_of(&self, x: &[usize], permissive: bool) -> Result<(Vec<usize>, usize), OpError> {
        let rank = x.len();
        let mut shape = if rank == 0 { vec![1] } else { x.to_vec() };
        let last = shape.len() - 1;
        let within = |axis: i64| usize::try_from(axis).ok().filter(|&axis| axis < rank);
        let from_end = |axis: i64| axis < 0 && axis >= -i64::try_from(rank).unwrap_or(i64::MAX);
        match self.axis.filter(|_| self.by_scale) {
            Some(axis) if within(axis).is_some() => Ok((shape, axis as usize)),
            Some(axis) if from_end(axis) && permissive => {
                shape.insert(0, 1);
                Ok((shape, rank))
            }
            Some(axis) if from_end(axis) && axis != -1 => Err(OpError::Value {
                input: "axis".into(),
                got: axis.to_string(),
                expected: format!(
                    "0 to {last}, or -1: the reference runtime counts a negative axis wrongly"
                ),
            }),
            _ => Ok((shape, last)),
        }
    }

    /// What a dequantizer leaves beside its output.
    pub(super) fn origin(&self, placement: &Placement) -> Dequantized {
        let scale = Tensor::vector(self.scales.clone());
        let zero_point = Tensor::vector(self.zero_points.clone());
        Dequantized::on_grid(scale, zero_point, placement.axis)
    }
}

impl Placement {
    /// The elements of `x`, stretched to the shape of the result; its own buffer where nobody else holds it.
    pub(super) fn elements(&self, x: Tensor) -> Result<Elements, OpError> {
        match self.stretch {
            Some((inner, times)) => {
                let blocks = x.as_slice::<f32>()?.chunks(inner.max(1));
                Ok(Elements::Own(blocks.flat_map(|block| block.repeat(times)).collect()))
            }
            None => Ok(match x.into_unique::<f32>() {
                Ok(own) => Elements::Own(own),
                Err(shared) => Elements::Shared(shared),
            }),
        }
    }
}

/// The input of an operator on f32.
pub(super) enum Elements {
    /// To write over.
    Own(Vec<f32>),
    /// To read.
    Shared(Tensor),
}

impl Elements {
    /// The results of one of two forms of the same function: on its own elements, or into new ones.
    pub(super) fn map(
        self,
        in_place: impl FnOnce(&mut [f32]),
        to_new: impl FnOnce(&[f32]) -> Vec<f32>,
    ) -> Result<Vec<f32>, OpError> {
        match self {
            Self::Own(mut x) => {
                in_place(&mut x);
                Ok(x)
            }
            Self::Shared(x) => Ok(to_new(x.as_slice()?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(scales: &[f32], zero_points: &[i8], axis: Option<i8>) -> Result<VaiGrid, OpError> {
        let scalar = |n: usize| if n == 1 { vec![] } else { vec![n] };
        let parameters = [
            Tensor::new(&scalar(scales.len()), scales.to_vec()).unwrap().into(),
            Tensor::new(&scalar(zero_points.len()), zero_points.to_vec()).unwrap().into(),
        ];
        let axis = axis.map(|axis| Tensor::scalar(axis).into());
        let inputs = Inputs::new(parameters.map(Some).into_iter().chain([axis]).collect());
        VaiGrid::read(&inputs, 0, 2)
    }

    fn place(scales: &[f32], axis: Option<i8>, x: &[usize]) -> Result<Placement, String> {
        grid(scales, &[0], axis)
            .and_then(|grid| grid.place(x, false))
            .map_err(|error| error.to_string())
    }

    const TWO: &[f32] = &[0.5, 0.25];

    #[test]
    fn one_scale_is_for_the_tensor_whatever_the_axis_says() {
        for axis in [None, Some(1), Some(-3), Some(100)] {
            let placement = place(&[0.5], axis, &[2, 3]).unwrap();
            assert_eq!((placement.spread, placement.shape), (Spread::Tensor, vec![2, 3]));
        }
    }

    #[test]
    fn several_scales_run_along_the_axis() {
        assert_eq!(place(TWO, Some(0), &[2, 3]).unwrap().spread, Spread::axis(&[2, 3], 0));
        assert_eq!(place(TWO, Some(1), &[3, 2, 4]).unwrap().spread, Spread::axis(&[3, 2, 4], 1));
    }

    #[test]
    fn without_a_valid_axis_they_run_along_the_last_dimension() {
        for axis in [None, Some(2), Some(5), Some(-3), Some(-1)] {
            let placement = place(TWO, axis, &[3, 2]).unwrap();
            assert_eq!((placement.spread, placement.shape), (Spread::axis(&[3, 2], 1), vec![3, 2]));
        }
    }

    #[test]
    fn other_negative_axes_are_refused() {
        assert_eq!(
            place(TWO, Some(-2), &[2, 2]).err().unwrap(),
            "axis is -2, expected 0 to 1, or -1: the reference runtime counts a negative axis wrongly"
        );
    }

    #[test]
    fn permissive_follows_the_reference_into_another_rank() {
        let placement = grid(TWO, &[0], Some(-2)).unwrap().place(&[3, 2], true).unwrap();
        assert_eq!((placement.spread, placement.shape), (Spread::axis(&[3, 2], 1), vec![1, 3, 2]));
    }

    #[test]
    fn a_dimension_of_one_is_stretched() {
        let placement = place(TWO, Some(0), &[1, 2]).unwrap();
        let x = Tensor::new(&[1, 2], vec![1f32, 2.0]).unwrap();
        let Elements::Own(stretched) = placement.elements(x).unwrap() else { panic!("stretched") };
        assert_eq!((placement.shape, stretched), (vec![2, 2], vec![1.0, 2.0, 1.0, 2.0]));
    }

    #[test]
    fn a_vector_of_one_gives_a_scalar_a_dimension() {
        let inputs = Inputs::of([Tensor::vector(vec![0.5f32]), Tensor::vector(vec![0i8])]);
        let grid = VaiGrid::read(&inputs, 0, 2).unwrap();
        assert_eq!(grid.place(&[], false).unwrap().shape, [1]);
    }

    #[test]
    fn a_wrong_number_of_scales_is_named() {
        assert_eq!(
            place(TWO, Some(0), &[3, 2]).err().unwrap(),
            "scale has shape [2], expected 3 elements, one for each index of dimension 0 of x"
        );
        let error = grid(&[1.0, 2.0, 3.0], &[0, 0], None).err().unwrap().to_string();
        assert_eq!(
            error,
            "zero_point has shape [2], expected as many elements as scale, which has 3"
        );
    }
}
