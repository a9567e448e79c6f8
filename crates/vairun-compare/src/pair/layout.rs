use vairun_tensor::Tensor;

use crate::measure::lanes;

/// How the elements of a tensor of the one model lie in the other's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// `NCHW → NHWC`, for the reader; empty where nothing moves.
    pub name: &'static str,
    /// The shape there.
    shape: Vec<usize>,
    /// Where in the tensor here the first element stands.
    start: usize,
    /// How far neighbours along each dimension there are apart here.
    steps: Vec<isize>,
}

/// A kind of move: a name, the order of the dimensions, and whether the spatial ones are reversed.
type Move = (&'static str, fn(usize) -> Vec<usize>, bool);

/// `[n, c, …] → [n, …, c]`
fn channels_last(rank: usize) -> Vec<usize> {
    (0..1).chain(2..rank).chain(1..rank.min(2)).collect()
}

/// `[a, b, …] → [b, …, a]`
fn first_last(rank: usize) -> Vec<usize> {
    (1..rank).chain(0..1).collect()
}

fn same(rank: usize) -> Vec<usize> {
    (0..rank).collect()
}

const ACTIVATIONS: [Move; 2] = [("NCHW → NHWC", channels_last, false), ("", same, false)];

const PARAMETERS: [Move; 5] = [
    ("OIHW → OHWI", channels_last, false),
    ("depthwise OIHW → IHWO", first_last, false),
    ("IOHW → OHWI, reversed", first_last, true),
    ("", same, false),
    ("transposed", first_last, false),
];

impl Layout {
    /// How an activation may lie, the likeliest first.
    pub fn of_activation(here: &[usize], there: &[usize]) -> Vec<Self> {
        Self::all(&ACTIVATIONS, here, there)
    }

    /// How a parameter may lie, the likeliest first. One with fewer elements is repeated.
    pub fn of_parameter(here: &[usize], there: &[usize]) -> Vec<Self> {
        Self::all(&PARAMETERS, here, there)
    }

    fn all(moves: &[Move], here: &[usize], there: &[usize]) -> Vec<Self> {
        let mut found: Vec<Self> = Vec::new();
        for &(name, order, reversed) in moves {
            if let Some(layout) = Self::of(name, here, there, &order(here.len()), reversed)
                && found
                    .iter()
                    .all(|other| (other.start, &other.steps) != (layout.start, &layout.steps))
            {
                found.push(layout);
            }
        }
        let repeated = || Self::repeated(here, there);
        if found.is_empty() { repeated().into_iter().collect() } else { found }
    }

    fn of(
        name: &'static str,
        here: &[usize],
        there: &[usize],
        order: &[usize],
        reversed: bool,
    ) -> Option<Self> {
        if order.len() != here.len() {
            return None;
        }
        let pitch = pitch(here);
        // Dimensions of 1 may come and go.
        let mut moved = order.iter().filter(|&&axis| here[axis] != 1);
        let (mut start, mut steps) = (0, Vec::new());
        for &length in there {
            if length == 1 {
                steps.push(0);
                continue;
            }
            let &axis = moved.next()?;
            if here[axis] != length {
                return None;
            }
            let back = reversed && axis >= 2;
            start += if back { pitch[axis] * (length - 1) } else { 0 };
            steps.push(if back { -(pitch[axis] as isize) } else { pitch[axis] as isize });
        }
        if moved.next().is_some() {
            return None;
        }
        let same = start == 0 && steps_of(there) == steps;
        Some(Self { name: if same { "" } else { name }, shape: there.to_vec(), start, steps })
    }

    /// One element, or one for each channel, for many.
    fn repeated(here: &[usize], there: &[usize]) -> Option<Self> {
        let count: usize = here.iter().product();
        let channels =
            here.iter().filter(|&&dim| dim != 1).count() == 1 && there.last() == Some(&count);
        if count != 1 && !channels {
            return None;
        }
        let mut steps = vec![0; there.len()];
        if count != 1 {
            *steps.last_mut()? = 1;
        }
        Some(Self { name: "repeated", shape: there.to_vec(), start: 0, steps })
    }

    /// Whether several elements there are one here.
    pub fn repeats(&self) -> bool {
        self.shape.iter().zip(&self.steps).any(|(&length, &step)| length != 1 && step == 0)
    }

    /// The places here of the elements there, in their order.
    fn places(&self) -> Vec<usize> {
        let count: usize = self.shape.iter().product();
        let mut places = Vec::with_capacity(count);
        let mut index = vec![0; self.shape.len()];
        let mut at = self.start as isize;
        for _ in 0..count {
            places.push(at as usize);
            for ((i, &length), &step) in index.iter_mut().zip(&self.shape).zip(&self.steps).rev() {
                *i += 1;
                at += step;
                if *i < length {
                    break;
                }
                at -= step * length as isize;
                *i = 0;
            }
        }
        places
    }

    /// Integers here in the order of those there.
    pub fn to_there(&self, here: &Tensor) -> Option<Vec<i64>> {
        let codes = integers(here)?;
        self.places().into_iter().map(|at| codes.get(at).copied()).collect()
    }

    /// Integers there in the order of those here, where none is repeated.
    pub fn to_here(&self, there: &[i64]) -> Option<Vec<i64>> {
        if self.repeats() {
            return None;
        }
        let mut here = vec![0; there.len()];
        for (at, &code) in self.places().into_iter().zip(there) {
            *here.get_mut(at)? = code;
        }
        Some(here)
    }
}

fn pitch(shape: &[usize]) -> Vec<usize> {
    let mut pitch = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        pitch[axis - 1] = pitch[axis] * shape[axis];
    }
    pitch
}

fn steps_of(shape: &[usize]) -> Vec<isize> {
    pitch(shape)
        .iter()
        .zip(shape)
        .map(|(&step, &length)| if length == 1 { 0 } else { step as isize })
        .collect()
}

/// The elements as integers.
pub(super) fn integers(tensor: &Tensor) -> Option<Vec<i64>> {
    Some(lanes::to_f64(tensor)?.into_iter().map(|code| code as i64).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(layout: &Layout, shape: &[usize]) -> Vec<i64> {
        let count: usize = shape.iter().product();
        let codes = Tensor::new(shape, (0..count as i32).collect()).unwrap();
        layout.to_there(&codes).unwrap()
    }

    #[test]
    fn channels_go_last_and_come_back() {
        let layouts = Layout::of_activation(&[1, 2, 1, 3], &[1, 1, 3, 2]);
        assert_eq!(layouts.len(), 1);
        let there = moved(&layouts[0], &[1, 2, 1, 3]);
        assert_eq!((layouts[0].name, there.as_slice()), ("NCHW → NHWC", &[0, 3, 1, 4, 2, 5][..]));
        assert_eq!(layouts[0].to_here(&there).unwrap(), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_square_may_lie_in_two_ways_and_a_row_in_one() {
        assert_eq!(Layout::of_activation(&[1, 2, 2, 2], &[1, 2, 2, 2]).len(), 2);
        let row = Layout::of_activation(&[1, 5, 1, 1], &[1, 1, 1, 5]);
        assert_eq!((row.len(), row[0].name), (1, ""));
        assert!(Layout::of_activation(&[1, 5], &[1, 6]).is_empty());
    }

    #[test]
    fn kernels_of_transposed_convolutions_are_reversed() {
        // [in 2, out 3, 1, 2] → [3, 1, 2, 2]
        let layouts = Layout::of_parameter(&[2, 3, 1, 2], &[3, 1, 2, 2]);
        let reversed = layouts.iter().find(|layout| layout.name.contains("reversed")).unwrap();
        assert_eq!(moved(reversed, &[2, 3, 1, 2])[..4], [1, 7, 0, 6]);
        let depthwise = Layout::of_parameter(&[4, 1, 3, 3], &[1, 3, 3, 4]);
        assert!(depthwise.iter().any(|layout| layout.name.starts_with("depthwise")));
    }

    #[test]
    fn a_scalar_is_repeated() {
        let layout = &Layout::of_parameter(&[], &[1, 2, 2, 1])[0];
        assert!(layout.repeats());
        assert_eq!(moved(layout, &[]), [0, 0, 0, 0]);
        assert!(layout.to_here(&[0; 4]).is_none());
    }
}
