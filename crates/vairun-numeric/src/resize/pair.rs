use super::coordinates::Axis;

/// The two neighbours of an output along one axis, onnxruntime's way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pair {
    pub(crate) low: usize,
    pub(crate) high: usize,
    /// The weights of both, by their distance; one half each where both are the last element.
    pub(crate) to_low: f32,
    pub(crate) to_high: f32,
    pub(crate) outside: bool,
    /// Where it lies between the first and the last element.
    at: f32,
}

impl Pair {
    /// Those of all outputs of an axis.
    pub(crate) fn of(axis: &Axis) -> Vec<Self> {
        (0..axis.output).map(|o| Self::at(axis, o)).collect()
    }

    fn at(axis: &Axis, o: usize) -> Self {
        let (last, source) = (axis.input - 1, axis.source(o));
        let at = source.clamp(0.0, last as f32);
        let low = (at as usize).min(last);
        let high = (low + 1).min(last);
        let (to_low, to_high) = match low == high {
            true => (0.5, 0.5),
            false => ((at - high as f32).abs(), (at - low as f32).abs()),
        };
        Self { low, high, to_low, to_high, outside: axis.is_outside(source), at }
    }

    /// The weights in 1024ths.
    pub(super) fn whole_weights(&self) -> (i32, i32) {
        let at = (self.at * 1024.0) as i32;
        match self.low == self.high {
            true => (512, 512),
            false => ((at - 1024 * self.high as i32).abs(), (at - 1024 * self.low as i32).abs()),
        }
    }
}
