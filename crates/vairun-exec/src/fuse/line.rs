use vairun_numeric::kernel::transpose;
use vairun_tensor::Tensor;

use super::coded::{Coded, Order};

/// A dimension along which constants differ, and along no other: a function of a code is another one at each index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// How long it is.
    pub(super) length: usize,
    pub(super) place: Place,
}

/// Which dimension it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The one that so many stand behind.
    Before(usize),
    /// That of the channels: the second.
    Second,
}

/// Indices that there are tables for at most: those of numbers are 1 MiB then.
const LONGEST: usize = 1024;

impl Line {
    /// Of a constant; `None` where it differs along several dimensions or none, or along too many indices.
    pub(super) fn of(tensor: &Tensor) -> Option<Self> {
        let shape = tensor.shape();
        let at = shape.iter().position(|&d| d != 1)?;
        let line = Self { length: shape[at], place: Place::Before(shape.len() - 1 - at) };
        (line.length == tensor.len() && (2..=LONGEST).contains(&line.length)).then_some(line)
    }

    /// Of a constant with a number for each channel.
    pub(super) fn of_channels(tensor: &Tensor) -> Option<Self> {
        let &[length] = tensor.shape() else { return None };
        (2..=LONGEST).contains(&length).then_some(Self { length, place: Place::Second })
    }

    /// The one line of two functions, each of which may have one; `None` where they have two.
    pub(super) fn joined(a: Option<Self>, b: Option<Self>) -> Option<Option<Self>> {
        match (a, b) {
            (Some(a), Some(b)) if a != b => None,
            _ => Some(a.or(b)),
        }
    }

    /// The shape of an argument that holds codes for each index, `[1 …, codes, length, 1 …]`, with `rank` dimensions
    /// at least: no constant adds some to the result.
    pub(super) fn argument(self, codes: usize, rank: usize) -> Vec<usize> {
        let (before, after) = match self.place {
            Place::Before(after) => (rank.saturating_sub(2 + after), after),
            Place::Second => (0, rank.saturating_sub(2)),
        };
        let ones = |n| std::iter::repeat_n(1, n);
        ones(before).chain([codes, self.length]).chain(ones(after)).collect()
    }

    /// A table for each index, one behind the other, from the results for such an argument.
    pub(super) fn tables<T: vairun_numeric::kernel::Moved>(self, results: &[T]) -> Vec<T> {
        let mut tables = vec![T::default(); results.len()];
        transpose(results, results.len() / self.length, self.length, &mut tables);
        tables
    }

    /// How many codes lie between an index and the next one; `None` where `x` has no such dimension.
    pub(super) fn inner(self, x: &Coded) -> Option<usize> {
        let rank = x.shape.len();
        let axis = match self.place {
            Place::Before(after) => rank.checked_sub(1 + after)?,
            Place::Second => 1,
        };
        x.shape.get(axis).filter(|&&length| length == self.length)?;
        let behind = |dimensions: &[usize]| dimensions.iter().product::<usize>();
        Some(match x.order {
            Order::Rows => behind(&x.shape[axis + 1..]),
            Order::ChannelsLast => match axis {
                0 => behind(&x.shape[1..]),
                1 => 1,
                _ => behind(&x.shape[axis + 1..]) * x.shape[1],
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::coded::Buffer;
    use super::*;

    #[test]
    fn a_line_is_one_dimension() {
        let line = |shape: &[usize]| {
            Line::of(&Tensor::new(shape, vec![0f32; shape.iter().product()]).unwrap())
                .map(|line| (line.length, line.place))
        };
        assert_eq!(line(&[3, 1, 1]), Some((3, Place::Before(2))));
        assert_eq!(line(&[1, 3, 1]), Some((3, Place::Before(1))));
        assert_eq!(line(&[7]), Some((7, Place::Before(0))));
        for none in [&[][..], &[1, 1], &[2, 3], &[2, 1, 2], &[0], &[1025]] {
            assert_eq!(line(none), None, "{none:?}");
        }
    }

    #[test]
    fn an_argument_has_the_dimensions_of_its_constants() {
        let line = Line { length: 5, place: Place::Before(2) };
        assert_eq!(line.argument(256, 1), [256, 5, 1, 1]);
        assert_eq!(line.argument(256, 4), [256, 5, 1, 1]);
        assert_eq!(line.argument(256, 6), [1, 1, 256, 5, 1, 1]);
        let channels = Line { place: Place::Second, ..line };
        assert_eq!(channels.argument(256, 1), [256, 5]);
        assert_eq!(channels.argument(256, 4), [256, 5, 1, 1]);
        assert_eq!(
            line.tables(&[1i16, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
            [1, 6, 2, 7, 3, 8, 4, 9, 5, 10]
        );
    }

    #[test]
    fn the_place_of_a_dimension_depends_on_the_order() {
        let coded = |order| Coded {
            shape: vec![2, 3, 4, 5],
            order,
            buffer: Buffer::Bytes(Vec::new()),
            on_grid: true,
        };
        let at = |length, place| Line { length, place };
        let inner = |length, after, order| at(length, Place::Before(after)).inner(&coded(order));
        let both = |length, after| {
            [Order::Rows, Order::ChannelsLast].map(|order| inner(length, after, order))
        };
        assert_eq!(both(2, 3), [Some(60), Some(60)]);
        assert_eq!(both(3, 2), [Some(20), Some(1)]);
        assert_eq!(both(4, 1), [Some(5), Some(15)]);
        assert_eq!(both(5, 0), [Some(1), Some(3)]);
        assert_eq!(both(3, 0), [None, None], "of another length");
        assert_eq!(at(3, Place::Second).inner(&coded(Order::ChannelsLast)), Some(1));
        assert_eq!(at(4, Place::Second).inner(&coded(Order::Rows)), None);
        assert_eq!(both(2, 4), [None, None], "there are not as many dimensions");
    }
}
