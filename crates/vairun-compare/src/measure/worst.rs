use crate::metrics::Element;

/// How many of the largest differences are kept.
const KEPT: usize = 8;

/// The largest differences so far, worst first; of equals the first in the tensor.
#[derive(Clone, Default)]
pub(super) struct Worst(Vec<Candidate>);

#[derive(Clone, Copy)]
pub(super) struct Candidate {
    pub(super) index: usize,
    /// |Δ|, in steps where there are steps; infinite where a side is not finite.
    pub(super) size: f64,
    pub(super) got: f64,
    pub(super) want: f64,
}

impl Worst {
    /// The size above which a candidate is kept.
    pub(super) fn threshold(&self) -> f64 {
        if self.0.len() < KEPT { 0.0 } else { self.0[KEPT - 1].size }
    }

    pub(super) fn add(&mut self, candidate: Candidate) {
        if candidate.size > self.threshold() {
            let place = self.0.partition_point(|other| other.size >= candidate.size);
            self.0.insert(place, candidate);
            self.0.truncate(KEPT);
        }
    }

    pub(super) fn merge(mut self, other: Self) -> Self {
        other.0.into_iter().for_each(|candidate| self.add(candidate));
        self
    }

    pub(super) fn elements(&self, shape: &[usize]) -> Vec<Element> {
        let element =
            |c: &Candidate| Element { index: place(c.index, shape), got: c.got, want: c.want };
        self.0.iter().map(element).collect()
    }
}

/// The place of the element with that number in row-major order.
pub(crate) fn place(mut index: usize, shape: &[usize]) -> Vec<usize> {
    let mut place = vec![0; shape.len()];
    for (coordinate, &dim) in place.iter_mut().zip(shape).rev() {
        (*coordinate, index) = (index % dim, index / dim);
    }
    place
}
