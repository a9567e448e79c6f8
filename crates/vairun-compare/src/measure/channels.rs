/// Where the channels of a tensor lie.
pub(crate) struct Layout {
    /// The dimension of the channels; `None` where a tensor has none.
    pub(crate) axis: Option<usize>,
    /// How many there are.
    pub(crate) count: usize,
    /// Elements of one channel that follow each other.
    pub(crate) inner: usize,
}

impl Layout {
    /// `axis`, or by ONNX's habit dimension 1 of two or more.
    pub(crate) fn of(shape: &[usize], axis: Option<usize>) -> Self {
        let axis = axis.or(if shape.len() >= 2 { Some(1) } else { None });
        let axis = axis.filter(|axis| *axis < shape.len());
        let count = axis.map_or(1, |axis| shape[axis]);
        let inner = axis.map_or(1, |axis| shape[axis + 1..].iter().product());
        Self { axis, count, inner }
    }

    /// The channel of an element.
    pub(crate) fn channel(&self, index: usize) -> usize {
        index / self.inner % self.count
    }

    /// The stretches of one channel in `len` elements from `start` on: channel, first place, end.
    pub(crate) fn runs(
        &self,
        start: usize,
        len: usize,
    ) -> impl Iterator<Item = (usize, usize, usize)> {
        let mut place = 0;
        std::iter::from_fn(move || {
            if place == len {
                return None;
            }
            let left = self.inner - (start + place) % self.inner;
            let run = (self.channel(start + place), place, len.min(place + left));
            place = run.2;
            Some(run)
        })
    }
}

/// What is summed for each channel.
#[derive(Clone, Default)]
pub(super) struct ChannelSums {
    pub(super) differing: Vec<u64>,
    pub(super) max_abs: Vec<f64>,
    pub(super) max_steps: Vec<f64>,
}

impl ChannelSums {
    pub(super) fn add(&mut self, channel: usize, count: usize, abs: f64, steps: f64) {
        if self.differing.is_empty() {
            self.differing = vec![0; count];
            self.max_abs = vec![0.0; count];
            self.max_steps = vec![0.0; count];
        }
        self.differing[channel] += 1;
        self.max_abs[channel] = self.max_abs[channel].max(abs);
        self.max_steps[channel] = self.max_steps[channel].max(steps);
    }

    pub(super) fn merge(mut self, other: Self) -> Self {
        if self.differing.is_empty() {
            return other;
        }
        let maximum = |mine: &mut [f64], theirs: &[f64]| {
            mine.iter_mut().zip(theirs).for_each(|(a, b)| *a = a.max(*b));
        };
        self.differing.iter_mut().zip(&other.differing).for_each(|(a, b)| *a += b);
        maximum(&mut self.max_abs, &other.max_abs);
        maximum(&mut self.max_steps, &other.max_steps);
        self
    }

    /// The channel with the largest difference.
    pub(super) fn worst(&self) -> usize {
        let largest = |mut best: usize, values: &[f64]| {
            (0..values.len()).for_each(|i| {
                if values[i] > values[best] {
                    best = i;
                }
            });
            best
        };
        let by_steps = self.max_steps.iter().any(|steps| *steps > 0.0);
        largest(0, if by_steps { &self.max_steps } else { &self.max_abs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_follow_the_channels_from_any_start() {
        let layout = Layout::of(&[2, 3, 4], None);
        let runs: Vec<_> = layout.runs(10, 7).collect();
        assert_eq!(runs, [(2, 0, 2), (0, 2, 6), (1, 6, 7)]);
        assert_eq!(Layout::of(&[5], None).count, 1);
        assert_eq!(
            Layout::of(&[2, 3], Some(0)).runs(2, 2).collect::<Vec<_>>(),
            [(0, 0, 1), (1, 1, 2)]
        );
    }
}
