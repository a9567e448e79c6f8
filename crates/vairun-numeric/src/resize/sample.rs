use super::coordinates::Axis;
use super::{channels_last, linear};

/// A type whose values are interpolated linearly: float32, and the integers that onnxruntime takes, whose results are
/// truncated towards 0.
pub trait Sample: Copy + Send + Sync + Sized {
    /// The nearest float32.
    fn to_f32(self) -> f32;
    /// Truncated and saturated.
    fn from_f32(value: f32) -> Self;

    /// Interpolates blocks of two axes (rows, columns), or three (planes, rows, columns), in float32 along all of them at
    /// once, each weight the product of those along the axes. `outside` is for what lies outside of the input.
    ///
    /// # Panics
    /// Where there are other than two or three axes, or `x` is no number of such blocks.
    fn linear(x: &[Self], axes: &[Axis], outside: Self) -> Vec<Self>;

    /// Interpolates images `[rows, columns, channels]`, as [`Sample::linear`] does; integers of 8 bits with weights in
    /// 1024ths, exactly, the quotient truncated.
    ///
    /// # Panics
    /// Where `x` is no number of such images.
    fn linear_channels_last(
        x: &[Self],
        axes: &[Axis; 2],
        channels: usize,
        outside: Self,
    ) -> Vec<Self>;
}

macro_rules! samples {
    ($($rust:ty, $channels_last:path, $truncate:expr;)*) => {$(
        impl Sample for $rust {
            #[inline(always)]
            fn to_f32(self) -> f32 {
                self as f32
            }

            #[inline(always)]
            fn from_f32(value: f32) -> Self {
                $truncate(value)
            }

            fn linear(x: &[Self], axes: &[Axis], outside: Self) -> Vec<Self> {
                linear::linear(x, axes, outside)
            }

            fn linear_channels_last(
                x: &[Self],
                axes: &[Axis; 2],
                channels: usize,
                outside: Self,
            ) -> Vec<Self> {
                $channels_last(x, axes, channels, outside)
            }
        }
    )*};
}

samples! {
    f32, channels_last::float, |value| value;
    // By way of i32, whose conversion has vectors.
    u8, channels_last::integer, |value: f32| (value as i32).clamp(0, 255) as u8;
    i8, channels_last::integer, |value: f32| (value as i32).clamp(-128, 127) as i8;
    i32, channels_last::float, |value: f32| value as i32;
}
