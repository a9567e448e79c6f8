use super::coordinates::Axis;

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
