//! Which axes are reduced, and the tensor seen as `[outer, length, inner]` around them.

use vairun_tensor::{Element, Tensor};

use crate::common::axes::{axes, strides};
use crate::common::movement::strided;
use crate::error::OpError;

/// What a reduction makes of a shape.
#[derive(Debug)]
pub(crate) struct Reduced {
    /// One for each dimension: whether it is reduced.
    reduced: Vec<bool>,
    shape: Vec<usize>,
}

/// The elements in blocks of `length · inner`, of which the `length` is to be reduced.
pub(crate) struct Blocks<'a, T: Clone> {
    pub(crate) elements: std::borrow::Cow<'a, [T]>,
    pub(crate) length: usize,
    pub(crate) inner: usize,
}

impl Reduced {
    /// The axes of `shape` that `named` names; `None` names all.
    pub(crate) fn new(shape: &[usize], named: Option<&[i64]>) -> Result<Self, OpError> {
        let mut reduced = vec![named.is_none(); shape.len()];
        for axis in axes(named.unwrap_or_default(), shape.len())? {
            reduced[axis] = true;
        }
        Ok(Self { reduced, shape: shape.to_vec() })
    }

    /// The shape of the result.
    pub(crate) fn result_shape(&self, keep: bool) -> Vec<usize> {
        let dims = self.shape.iter().zip(&self.reduced);
        match keep {
            true => dims.map(|(&dim, &reduced)| if reduced { 1 } else { dim }).collect(),
            false => dims.filter(|(_, reduced)| !**reduced).map(|(&dim, _)| dim).collect(),
        }
    }

    /// Elements that become one.
    pub(crate) fn count(&self) -> usize {
        self.dims(true).product()
    }

    /// Elements of the result.
    pub(crate) fn results(&self) -> usize {
        self.dims(false).product()
    }

    fn dims(&self, which: bool) -> impl Iterator<Item = usize> {
        let dims = self.shape.iter().zip(&self.reduced);
        dims.filter(move |(_, reduced)| **reduced == which).map(|(&dim, _)| dim)
    }

    /// The elements of a tensor of the shape in blocks; moved together where reduced axes are apart.
    pub(crate) fn blocks<'a, T: Element>(&self, x: &'a Tensor) -> Result<Blocks<'a, T>, OpError> {
        let elements = x.as_slice::<T>()?;
        let big: Vec<usize> = (0..self.shape.len()).filter(|&i| self.shape[i] != 1).collect();
        let first = big.iter().position(|&i| self.reduced[i]);
        let last = big.iter().rposition(|&i| self.reduced[i]);
        let (Some(first), Some(last)) = (first, last) else {
            return Ok(Blocks { elements: elements.into(), length: 1, inner: 1 });
        };
        let length = self.count();
        if big[first..=last].iter().all(|&i| self.reduced[i]) {
            let inner = big[last + 1..].iter().map(|&i| self.shape[i]).product();
            return Ok(Blocks { elements: elements.into(), length, inner });
        }
        Ok(Blocks { elements: self.together(elements).into(), length, inner: 1 })
    }

    /// As [`Reduced::blocks`] with an `inner` of 1.
    pub(crate) fn rows<'a, T: Element>(&self, x: &'a Tensor) -> Result<Blocks<'a, T>, OpError> {
        let blocks = self.blocks(x)?;
        if blocks.inner == 1 {
            return Ok(blocks);
        }
        let elements = self.together(x.as_slice::<T>()?).into();
        Ok(Blocks { elements, length: self.count(), inner: 1 })
    }

    /// The elements with the reduced axes moved to the end.
    fn together<T: Element>(&self, elements: &[T]) -> Vec<T> {
        let strides = strides(&self.shape);
        let order = (0..self.shape.len()).filter(|&i| !self.reduced[i]);
        let order = order.chain((0..self.shape.len()).filter(|&i| self.reduced[i]));
        let (shape, steps): (Vec<_>, Vec<_>) =
            order.map(|i| (self.shape[i], strides[i] as isize)).unzip();
        match elements.len() {
            0 => Vec::new(),
            count => strided(elements, 0, &shape, &steps, count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::testing::*;

    #[test]
    fn neighbouring_axes_are_read_in_place() {
        let x = count_up(&[2, 3, 1, 4]);
        let reduced = Reduced::new(x.shape(), Some(&[1])).unwrap();
        let blocks = reduced.blocks::<f32>(&x).unwrap();
        assert_eq!((blocks.length, blocks.inner), (3, 4));
        assert!(matches!(blocks.elements, std::borrow::Cow::Borrowed(_)));
        assert_eq!(reduced.result_shape(true), [2, 1, 1, 4]);
        assert_eq!(reduced.result_shape(false), [2, 1, 4]);
    }

    #[test]
    fn axes_that_are_apart_are_moved_together() {
        let x = count_up(&[2, 2, 2]);
        let reduced = Reduced::new(x.shape(), Some(&[0, -1])).unwrap();
        let blocks = reduced.blocks::<f32>(&x).unwrap();
        assert_eq!(*blocks.elements, [0.0, 1.0, 4.0, 5.0, 2.0, 3.0, 6.0, 7.0]);
        assert_eq!((blocks.length, blocks.inner), (4, 1));
    }
}
