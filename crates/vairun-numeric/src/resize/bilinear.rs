use super::coordinates::Axis;
use super::pair::Pair;

/// A linear interpolation of images, both axes at once: what a `Resize` does with each channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bilinear {
    /// Along the rows of an image.
    pub rows: Axis,
    /// Along its columns.
    pub columns: Axis,
    /// For what lies outside of the input.
    pub outside: f32,
}

impl Bilinear {
    /// Whether finite numbers give finite ones: a region that is none has weights that are not.
    pub fn is_finite(&self) -> bool {
        let finite = |pair: &Pair| pair.to_low.is_finite() && pair.to_high.is_finite();
        let finite = |axis: &Axis| Pair::of(axis).iter().all(finite);
        finite(&self.rows) && finite(&self.columns) && self.outside.is_finite()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Coordinates;
    use super::*;

    #[test]
    fn a_region_that_is_none_has_no_weights() {
        let of = |coordinates, outside| {
            let axis = Axis { input: 4, output: 8, scale: 2.0, coordinates };
            Bilinear { rows: axis, columns: axis, outside }.is_finite()
        };
        let region = |start, end| Coordinates::TfCropAndResize { start, end };
        assert!(of(Coordinates::HalfPixel, 0.0) && of(region(-3.0, 1.5), 9.0));
        assert!(!of(region(f32::NAN, 1.0), 0.0) && !of(region(f32::INFINITY, f32::INFINITY), 0.0));
        assert!(!of(Coordinates::HalfPixel, f32::NAN));
    }
}
