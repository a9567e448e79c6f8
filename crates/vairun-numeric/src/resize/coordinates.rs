/// How an output's place is mapped to the input: `coordinate_transformation_mode`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Coordinates {
    /// `(o + 0.5) / scale - 0.5`
    HalfPixel,
    /// As [`Coordinates::HalfPixel`] around the middle of the axis.
    HalfPixelSymmetric,
    /// As [`Coordinates::HalfPixel`]; 0 for an output of length 1.
    PytorchHalfPixel,
    /// The first and the last elements meet.
    AlignCorners,
    /// `o / scale`
    Asymmetric,
    /// `(o + 0.5) / scale`
    TfHalfPixelForNn,
    /// A region of the input, from `start` to `end` in parts of its length; what lies outside of the input is not
    /// interpolated.
    TfCropAndResize {
        /// 0 is the first element.
        start: f32,
        /// 1 is the last element.
        end: f32,
    },
}

/// Which neighbour is nearest: `nearest_mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nearest {
    /// Rounded, a tie down.
    RoundPreferFloor,
    /// Rounded, a tie away from zero.
    RoundPreferCeil,
    /// The one before.
    Floor,
    /// The one after.
    Ceil,
    /// Of opset 10: the one before for growing axes, the one after for shrinking ones.
    Simple,
}

/// One axis of a resampling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Axis {
    /// Length of the input; at least 1.
    pub input: usize,
    /// Length of the output.
    pub output: usize,
    /// Output length by input length, as asked for.
    pub scale: f32,
    /// Where outputs lie.
    pub coordinates: Coordinates,
}

impl Axis {
    /// Whether every output is the input at the same place.
    pub fn is_identity(&self) -> bool {
        let whole = match self.coordinates {
            Coordinates::TfCropAndResize { start, end } => start == 0.0 && end == 1.0,
            _ => true,
        };
        self.scale == 1.0 && self.input == self.output && whole
    }

    /// Where output `o` lies in the input, in elements.
    pub fn source(&self, o: usize) -> f32 {
        let (o, input, output) = (o as f32, self.input as f32, self.output as f32);
        match self.coordinates {
            Coordinates::TfCropAndResize { start, end } if self.output > 1 => {
                start * (input - 1.0) + (o * (end - start) * (input - 1.0)) / (output - 1.0)
            }
            Coordinates::TfCropAndResize { start, end } => 0.5 * (start + end) * (input - 1.0),
            _ if self.scale == 1.0 => o,
            Coordinates::HalfPixel => (o + 0.5) / self.scale - 0.5,
            Coordinates::HalfPixelSymmetric => {
                let adjustment = output / (self.scale * input);
                let offset = input / 2.0 * (1.0 - adjustment);
                // In float64, rounded once, as onnxruntime does here alone.
                let place = (f64::from(o) + 0.5) / f64::from(self.scale);
                (f64::from(offset) + place - 0.5) as f32
            }
            Coordinates::PytorchHalfPixel if self.output > 1 => (o + 0.5) / self.scale - 0.5,
            Coordinates::AlignCorners if self.output > 1 => o * (input - 1.0) / (output - 1.0),
            Coordinates::PytorchHalfPixel | Coordinates::AlignCorners => 0.0,
            Coordinates::Asymmetric => o / self.scale,
            Coordinates::TfHalfPixelForNn => (o + 0.5) / self.scale,
        }
    }

    /// Whether a coordinate lies outside of the input where that matters: only for a cropped region.
    pub(super) fn is_outside(&self, x: f32) -> bool {
        let crops = matches!(self.coordinates, Coordinates::TfCropAndResize { .. });
        crops && (x < 0.0 || x > (self.input - 1) as f32)
    }

    /// Which outputs lie outside of the input where that matters.
    pub fn outside(&self) -> Vec<bool> {
        (0..self.output).map(|o| self.is_outside(self.source(o))).collect()
    }

    /// The input element of each output; `None` outside of the input.
    pub fn nearest(&self, mode: Nearest) -> Vec<Option<usize>> {
        let last = (self.input - 1) as f32;
        let at = |o| {
            let x = self.source(o);
            // The conversion saturates; NaN, from a scale of 0/0, becomes 0.
            (!self.is_outside(x)).then(|| mode.round(x, self.scale < 1.0).clamp(0.0, last) as usize)
        };
        (0..self.output).map(at).collect()
    }
}

impl Nearest {
    fn round(self, x: f32, shrinks: bool) -> f32 {
        match self {
            Self::RoundPreferFloor if is_tie(x) => x.floor(),
            Self::RoundPreferCeil if is_tie(x) => x.ceil(),
            Self::RoundPreferFloor | Self::RoundPreferCeil => x.round(),
            Self::Floor => x.floor(),
            Self::Ceil => x.ceil(),
            Self::Simple if shrinks => x.ceil(),
            Self::Simple => x.trunc(),
        }
    }
}

/// Whether it lies between two elements. onnxruntime 1.32 takes what float32 makes of a tie, up to 1e-6 from it, for one.
fn is_tie(x: f32) -> bool {
    (x - x.floor() - 0.5).abs() < 1e-6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(input: usize, output: usize, coordinates: Coordinates) -> Axis {
        Axis { input, output, scale: output as f32 / input as f32, coordinates }
    }

    #[test]
    fn a_tie_goes_where_the_mode_says() {
        let halves = axis(2, 4, Coordinates::Asymmetric);
        let places = |mode| halves.nearest(mode).into_iter().flatten().collect::<Vec<_>>();
        assert_eq!(places(Nearest::RoundPreferFloor), [0, 0, 1, 1]);
        assert_eq!(places(Nearest::RoundPreferCeil), [0, 1, 1, 1]);
        assert_eq!(places(Nearest::Floor), [0, 0, 1, 1]);
        assert_eq!(places(Nearest::Ceil), [0, 1, 1, 1]);
    }

    #[test]
    fn what_rounding_leaves_of_a_tie_is_one() {
        let near = |x: f32, mode: Nearest| mode.round(x, false);
        for x in [4.5, 4.500_000_5, 4.499_999_5, 4.500_001, 4.499_999] {
            assert_eq!(near(x, Nearest::RoundPreferFloor), 4.0, "{x}");
            assert_eq!(near(x, Nearest::RoundPreferCeil), 5.0, "{x}");
        }
        assert_eq!(near(4.500_002, Nearest::RoundPreferFloor), 5.0);
        assert_eq!(near(4.499_998, Nearest::RoundPreferCeil), 4.0);
    }

    #[test]
    fn opset_10_rounds_down_where_it_grows_and_up_where_it_shrinks() {
        let places =
            |axis: Axis| axis.nearest(Nearest::Simple).into_iter().flatten().collect::<Vec<_>>();
        assert_eq!(places(axis(2, 4, Coordinates::Asymmetric)), [0, 0, 1, 1]);
        let shrinks =
            Axis { input: 4, output: 2, scale: 0.6, coordinates: Coordinates::Asymmetric };
        assert_eq!(places(shrinks), [0, 2]);
    }

    #[test]
    fn an_output_of_one_element_is_the_first_in_pytorch_and_with_aligned_corners() {
        assert_eq!(axis(4, 1, Coordinates::PytorchHalfPixel).source(0), 0.0);
        assert_eq!(axis(4, 1, Coordinates::AlignCorners).source(0), 0.0);
        assert_eq!(axis(4, 1, Coordinates::HalfPixel).source(0), 1.5);
    }

    #[test]
    fn a_region_beyond_the_input_has_no_neighbours() {
        let crop = axis(3, 3, Coordinates::TfCropAndResize { start: 0.5, end: 1.5 });
        assert_eq!(crop.nearest(Nearest::Floor), [Some(1), Some(2), None]);
    }
}
