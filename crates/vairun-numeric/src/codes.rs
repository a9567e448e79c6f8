//! The way back from real numbers to the codes that they were dequantized from.

use crate::linear::{Grid, integer};
use crate::round;
use crate::spread::Spread;

/// Integers in the first of these types that holds all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Codes {
    I8(Vec<i8>),
    U8(Vec<u8>),
    I16(Vec<i16>),
    U16(Vec<u16>),
    I32(Vec<i32>),
}

/// Steps from the zero point up to which a quotient in f32 is nearer to the right integer than to any other.
const NEAR: f32 = (1 << 20) as f32;

/// The integers `q` for which every element of `y` is `f32(f32(q - zero_point) · scale)`; `None` where an element is
/// not on the grid, NaN or infinite, or so far out that more than one code would fit.
///
/// Beyond 2^20 steps only scales that are powers of two are taken, where the quotient is exact.
pub fn codes(y: &[f32], grids: &[Grid], spread: Spread) -> Option<Codes> {
    match bytes(y, grids, spread) {
        Some(Some(codes)) => return Some(codes),
        Some(None) => return Some(wider(y, grids, spread)),
        None => {}
    }
    grids.iter().all(|grid| is_power_of_two(grid.scale)).then(|| far(y, grids, spread)).flatten()
}

/// One pass that assumes 8 bits. `None`: not on the grid, or too far; `Some(None)`: on the grid, but wider.
fn bytes(y: &[f32], grids: &[Grid], spread: Spread) -> Option<Option<Codes>> {
    let (mut off, mut signed, mut unsigned) = (0u32, 0u32, 0u32);
    let mut low_bytes = Vec::with_capacity(y.len());
    spread.map_into(y, grids, near, |codes| {
        for &code in codes {
            off |= u32::from(code == OFF);
            signed |= code.wrapping_add(128) as u32;
            unsigned |= code as u32;
        }
        low_bytes.extend(codes.iter().map(|&code| code as i8));
    });
    match (off != 0, signed < 256, unsigned < 256) {
        (true, ..) => None,
        (_, true, _) => Some(Some(Codes::I8(low_bytes))),
        (.., true) => Some(Some(Codes::U8(low_bytes.into_iter().map(i8::cast_unsigned).collect()))),
        _ => Some(None),
    }
}

/// What stands for a number that has no code near the zero point.
const OFF: i32 = i32::MIN;

/// The code of `y`, or `OFF`.
#[inline(always)]
fn near(y: f32, grid: Grid) -> i32 {
    let steps = round::f32::half_even(y / grid.scale);
    // NaN and infinities differ from everything, and 0 / 0 is NaN.
    let certain = (steps * grid.scale == y) & (steps.abs() <= NEAR);
    if certain { integer(steps).wrapping_add(grid.zero_point) } else { OFF }
}

/// The codes of numbers that are known to be on the grid, near, and not all of 8 bits.
fn wider(y: &[f32], grids: &[Grid], spread: Spread) -> Codes {
    narrowed(spread.map(y, grids, near))
}

/// The codes by an exact quotient, for scales that are powers of two.
fn far(y: &[f32], grids: &[Grid], spread: Spread) -> Option<Codes> {
    let steps = spread.map(y, grids, |y, grid| {
        let steps = f64::from(y) / f64::from(grid.scale);
        let code = steps + f64::from(grid.zero_point);
        let fits = (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&code);
        (fits && steps.trunc() == steps).then_some(code as i32)
    });
    steps.into_iter().collect::<Option<_>>().map(narrowed)
}

fn narrowed(codes: Vec<i32>) -> Codes {
    fn all<T: TryFrom<i32>>(codes: &[i32]) -> Option<Vec<T>> {
        codes.iter().map(|&code| T::try_from(code).ok()).collect()
    }
    let narrow = || {
        let bytes = all(&codes).map(Codes::I8).or_else(|| all(&codes).map(Codes::U8));
        bytes.or_else(|| all(&codes).map(Codes::I16)).or_else(|| all(&codes).map(Codes::U16))
    };
    narrow().unwrap_or(Codes::I32(codes))
}

fn is_power_of_two(scale: f32) -> bool {
    scale.is_normal() && scale > 0.0 && scale.to_bits() & 0x7f_ffff == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contraction;
    use crate::linear::dequantize;

    fn one(y: &[f32], scale: f32, zero_point: i32) -> Option<Codes> {
        codes(y, &[Grid { scale, zero_point }], Spread::Tensor)
    }

    #[test]
    fn all_codes_of_16_bits_come_back_with_any_scale() {
        let all: Vec<u16> = (0..=u16::MAX).collect();
        for scale in [0.1, 0.0625, 3.7e-5, 1.0, 1e30, 1.1754944e-38, 1e-40, -0.3] {
            for zero_point in [0, 1, 32768, 65535] {
                let y = dequantize(
                    contraction::Codes::U16(&all),
                    &[Grid { scale, zero_point }],
                    Spread::Tensor,
                );
                assert_eq!(one(&y, scale, zero_point), Some(Codes::U16(all.clone())), "{scale}");
            }
        }
    }

    #[test]
    fn the_type_is_the_first_that_holds_all() {
        assert_eq!(one(&[-64.0, 63.5], 0.5, 0), Some(Codes::I8(vec![-128, 127])));
        assert_eq!(one(&[0.0, 127.5], 0.5, 0), Some(Codes::U8(vec![0, 255])));
        assert_eq!(one(&[-0.5, 127.5], 0.5, 0), Some(Codes::I16(vec![-1, 255])));
        assert_eq!(one(&[0.0, 100000.0], 1.0, 0), Some(Codes::I32(vec![0, 100000])));
        assert_eq!(one(&[0.0], 1.0, 200), Some(Codes::U8(vec![200])));
        assert_eq!(one(&[], 1.0, 0), Some(Codes::I8(vec![])));
    }

    #[test]
    fn far_codes_need_a_power_of_two() {
        let q = [i32::MIN, 16777216, 7];
        let y = |scale| {
            let grid = [Grid { scale, zero_point: 0 }];
            dequantize(contraction::Codes::I32(&q), &grid, Spread::Tensor)
        };
        assert_eq!(one(&y(0.25), 0.25, 0), Some(Codes::I32(q.to_vec())));
        assert_eq!(one(&y(0.1), 0.1, 0), None);
        assert_eq!(one(&[2147483648.0], 1.0, 0), None, "beyond i32");
    }

    #[test]
    fn what_is_not_on_the_grid_has_no_codes() {
        for y in [0.25, f32::NAN, f32::INFINITY, 0.5f32.next_up()] {
            assert_eq!(one(&[0.5, y], 0.5, 0), None, "{y}");
        }
        for scale in [0.0, f32::NAN, f32::INFINITY] {
            assert_eq!(one(&[0.0], scale, 0), None, "scale {scale}");
        }
    }

    #[test]
    fn parameters_may_differ_along_an_axis() {
        let grids = [Grid { scale: 0.5, zero_point: 1 }, Grid { scale: 3.0, zero_point: 0 }];
        let got = codes(&[0.5, 3.0, 1.0, -3.0], &grids, Spread::axis(&[2, 2], 1));
        assert_eq!(got, Some(Codes::I8(vec![2, 1, 3, -1])));
    }
}
