//! Which parameter of a quantizer belongs to which element, and the loops over both.

use std::ops::Range;

/// How the parameters of a quantizer are spread over the elements of a row-major tensor.
///
/// For `Axis` and `Block` the tensor is seen as `[outer, length, inner]`, `length` being the dimension that the
/// parameters run along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// One parameter for all elements.
    Tensor,
    /// One for each index of a dimension: `length` parameters.
    Axis {
        /// The dimension.
        length: usize,
        /// The product of the dimensions after it.
        inner: usize,
    },
    /// One for each run of `size` indices of a dimension: parameters `[outer, ceil(length / size), inner]`.
    Block {
        /// The dimension.
        length: usize,
        /// The product of the dimensions after it.
        inner: usize,
        /// Indices that share a parameter; at least one.
        size: usize,
    },
}

/// The parameters of a run of consecutive elements.
enum Parameters {
    /// The same for the whole run.
    One(usize),
    /// One for each element, from this one on.
    From(usize),
}

impl Spread {
    /// `Axis` along dimension `axis` of `shape`.
    pub fn axis(shape: &[usize], axis: usize) -> Self {
        Self::Axis { length: shape[axis], inner: shape[axis + 1..].iter().product() }
    }

    /// The number of parameters for `elements` elements.
    pub fn parameters(self, elements: usize) -> usize {
        match self {
            Self::Tensor => 1,
            Self::Axis { length, .. } => length,
            Self::Block { length, inner, size } => match length * inner {
                0 => 0,
                slice => elements / slice * length.div_ceil(size) * inner,
            },
        }
    }

    /// Calls `f` with every run of elements that share a parameter or walk along theirs, in order.
    fn each_run(self, elements: usize, mut f: impl FnMut(Range<usize>, Parameters)) {
        if elements == 0 {
            return;
        }
        match self {
            Self::Tensor => f(0..elements, Parameters::One(0)),
            Self::Axis { length, inner: 1 } => {
                (0..elements)
                    .step_by(length)
                    .for_each(|at| f(at..at + length, Parameters::From(0)));
            }
            Self::Axis { length, inner } => {
                let runs = (0..elements).step_by(inner).zip((0..length).cycle());
                runs.for_each(|(at, index)| f(at..at + inner, Parameters::One(index)));
            }
            Self::Block { length, inner: 1, size } => {
                let mut parameter = 0;
                for start in (0..elements).step_by(length) {
                    for at in (start..start + length).step_by(size) {
                        let end = at.saturating_add(size).min(start + length);
                        f(at..end, Parameters::One(parameter));
                        parameter += 1;
                    }
                }
            }
            Self::Block { length, inner, size } => {
                let blocks = length.div_ceil(size);
                for (row, at) in (0..elements).step_by(inner).enumerate() {
                    let (outer, index) = (row / length, row % length);
                    let parameter = (outer * blocks + index / size) * inner;
                    f(at..at + inner, Parameters::From(parameter));
                }
            }
        }
    }

    /// `f` of every element and its parameter.
    ///
    /// # Panics
    /// Where `parameters` are not as many as [`Spread::parameters`] says.
    pub fn map<X: Copy, Y: Copy + Default, P: Copy>(
        self,
        x: &[X],
        parameters: &[P],
        f: impl Fn(X, P) -> Y,
    ) -> Vec<Y> {
        let mut y = Vec::with_capacity(x.len());
        self.map_into(x, parameters, f, |results| y.extend_from_slice(results));
        y
    }

    /// Hands `f` of every element and its parameter to `sink`, in order, some hundred at a time.
    ///
    /// # Panics
    /// Where `parameters` are not as many as [`Spread::parameters`] says.
    pub(crate) fn map_into<X: Copy, Y: Copy + Default, P: Copy>(
        self,
        x: &[X],
        parameters: &[P],
        f: impl Fn(X, P) -> Y,
        mut sink: impl FnMut(&[Y]),
    ) {
        assert_eq!(parameters.len(), self.parameters(x.len()), "parameters for {self:?}");
        // Results pass through a buffer in the first-level cache: loops over two slices vectorise where loops that
        // extend a vector do not (measured: 4 times), and the vector needs no zeros first.
        let mut buffer = [Y::default(); 512];
        self.each_run(x.len(), |elements, run| {
            for start in elements.clone().step_by(buffer.len()) {
                let x = &x[start..elements.end.min(start + buffer.len())];
                let buffer = &mut buffer[..x.len()];
                match run {
                    Parameters::One(index) => {
                        let parameter = parameters[index];
                        buffer.iter_mut().zip(x).for_each(|(y, &x)| *y = f(x, parameter));
                    }
                    Parameters::From(first) => {
                        let parameters = &parameters[first + start - elements.start..][..x.len()];
                        let inputs = x.iter().zip(parameters);
                        buffer.iter_mut().zip(inputs).for_each(|(y, (&x, &p))| *y = f(x, p));
                    }
                }
                sink(buffer);
            }
        });
    }

    /// Replaces every element by `f` of it and its parameter.
    ///
    /// # Panics
    /// Where `parameters` are not as many as [`Spread::parameters`] says.
    pub fn map_in_place<X: Copy, P: Copy>(
        self,
        x: &mut [X],
        parameters: &[P],
        f: impl Fn(X, P) -> X,
    ) {
        assert_eq!(parameters.len(), self.parameters(x.len()), "parameters for {self:?}");
        self.each_run(x.len(), |elements, run| {
            let x = &mut x[elements];
            match run {
                Parameters::One(index) => {
                    let parameter = parameters[index];
                    x.iter_mut().for_each(|x| *x = f(*x, parameter));
                }
                Parameters::From(start) => {
                    let parameters = &parameters[start..start + x.len()];
                    x.iter_mut().zip(parameters).for_each(|(x, &parameter)| *x = f(*x, parameter));
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The index of the parameter of every element.
    fn indices(spread: Spread, elements: usize) -> Vec<usize> {
        let parameters: Vec<usize> = (0..spread.parameters(elements)).collect();
        let x = vec![0usize; elements];
        let mut in_place = x.clone();
        spread.map_in_place(&mut in_place, &parameters, |_, parameter| parameter);
        assert_eq!(spread.map(&x, &parameters, |_, parameter| parameter), in_place);
        in_place
    }

    #[test]
    fn a_tensor_has_one_parameter() {
        assert_eq!(indices(Spread::Tensor, 3), [0, 0, 0]);
    }

    #[test]
    fn an_axis_has_one_for_each_index_whatever_is_around_it() {
        assert_eq!(indices(Spread::axis(&[2, 3], 0), 6), [0, 0, 0, 1, 1, 1]);
        assert_eq!(indices(Spread::axis(&[2, 3], 1), 6), [0, 1, 2, 0, 1, 2]);
        assert_eq!(indices(Spread::axis(&[2, 2, 2], 1), 8), [0, 0, 1, 1, 0, 0, 1, 1]);
    }

    #[test]
    fn the_last_block_may_be_short() {
        let last = Spread::Block { length: 5, inner: 1, size: 2 };
        assert_eq!(indices(last, 10), [0, 0, 1, 1, 2, 3, 3, 4, 4, 5]);
        let middle = Spread::Block { length: 3, inner: 2, size: 2 };
        assert_eq!(indices(middle, 12), [0, 1, 0, 1, 2, 3, 4, 5, 4, 5, 6, 7]);
        let wide = Spread::Block { length: 2, inner: 1, size: usize::MAX };
        assert_eq!(indices(wide, 4), [0, 0, 1, 1]);
    }

    #[test]
    fn nothing_takes_nothing() {
        assert!(indices(Spread::axis(&[0, 3], 0), 0).is_empty());
        assert!(indices(Spread::axis(&[3, 0], 0), 0).is_empty());
        assert!(indices(Spread::Block { length: 0, inner: 3, size: 2 }, 0).is_empty());
    }
}
