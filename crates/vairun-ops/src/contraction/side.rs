use std::borrow::Cow;

use vairun_numeric::contraction::{Codes, Operand};
use vairun_tensor::{Dequantized, Tensor};

use crate::common::codes::codes as stored_codes;

/// One operand of a contraction, as integers.
pub(super) struct Side<'a> {
    codes: Integers<'a>,
    pub(super) zero_points: Cow<'a, [i32]>,
    pub(super) scales: Cow<'a, [f32]>,
    /// The dimension that zero points and scales run along; `None` where there is one of each.
    pub(super) axis: Option<usize>,
}

enum Integers<'a> {
    Borrowed(Codes<'a>),
    /// Codes that their quantizer keeps as real numbers.
    Owned(Vec<i32>),
}

impl<'a> Side<'a> {
    /// `None` where the tensor is no dequantizer's output, or its codes are no integers.
    pub(super) fn new(tensor: &'a Tensor) -> Option<Self> {
        let Dequantized { scale, zero_point, axis, .. } = tensor.dequantized()?;
        let (scales, zero_points) = (scale.as_slice().ok()?, zero_point.as_slice().ok()?);
        let count = axis.map_or(1, |axis| tensor.shape().get(axis).copied().unwrap_or(0));
        // A parameter for each index of an axis may be given as one for all.
        if [scales.len(), zero_points.len()].iter().any(|&n| n != 1 && n != count) {
            return None;
        }
        Some(Self {
            codes: Integers::new(tensor.codes()?)?,
            axis: axis.filter(|_| scales.len().max(zero_points.len()) > 1),
            scales: scales.into(),
            zero_points: zero_points.into(),
        })
    }

    /// Of codes and what they come with, one for each index of some axis or one for all.
    pub(super) fn of_codes(
        codes: &'a Tensor,
        zero_points: &'a [i32],
        scales: &'a [f32],
    ) -> Option<Self> {
        let (zero_points, scales) = (zero_points.into(), scales.into());
        Some(Self { codes: Integers::new(codes)?, zero_points, scales, axis: None })
    }

    /// The operand for the kernels.
    pub(super) fn operand(&self) -> Operand<'_> {
        Operand { codes: self.codes.all(), zero_points: &self.zero_points }
    }

    /// A part of the operand, `length` codes from `start` on.
    pub(super) fn part(&self, start: usize, length: usize) -> Operand<'_> {
        let range = start..start + length;
        let codes = match self.codes.all() {
            Codes::I8(codes) => Codes::I8(&codes[range]),
            Codes::U8(codes) => Codes::U8(&codes[range]),
            Codes::I16(codes) => Codes::I16(&codes[range]),
            Codes::U16(codes) => Codes::U16(&codes[range]),
            Codes::I32(codes) => Codes::I32(&codes[range]),
        };
        Operand { codes, zero_points: &self.zero_points }
    }

    /// Codes of 8 bits as the kernels store them, and the stored code of 0; `None` for others, or several zeros.
    pub(super) fn stored(&self) -> Option<(Vec<u8>, i32)> {
        let &[zero] = &self.zero_points[..] else { return None };
        match self.codes.all() {
            Codes::U8(codes) => Some((codes.to_vec(), zero)),
            Codes::I8(codes) => {
                let stored = codes.iter().map(|&code| code.cast_unsigned() ^ 0x80);
                Some((stored.collect(), zero.checked_add(128)?))
            }
            _ => None,
        }
    }

    /// The scale for index `i` of the axis.
    pub(super) fn scale(&self, i: usize) -> f32 {
        self.scales[if self.scales.len() == 1 { 0 } else { i }]
    }

    /// The zero point for index `i` of the axis.
    pub(super) fn zero_point(&self, i: usize) -> i32 {
        self.zero_points[if self.zero_points.len() == 1 { 0 } else { i }]
    }

    /// Code `i`.
    pub(super) fn code(&self, i: usize) -> i64 {
        match self.codes.all() {
            Codes::I8(codes) => codes[i].into(),
            Codes::U8(codes) => codes[i].into(),
            Codes::I16(codes) => codes[i].into(),
            Codes::U16(codes) => codes[i].into(),
            Codes::I32(codes) => codes[i].into(),
        }
    }

    /// `f32(sx · sw)` for each of `channels` indices of `w`'s axis, x being `self`; `None` where one is no normal
    /// number: f32 would lose digits that the real numbers have. A scale of 0 is 0 in both.
    pub(super) fn product(&self, w: &Self, channels: usize) -> Option<Vec<f32>> {
        let product = |i| {
            let (x, w) = (self.scale(0), w.scale(i));
            let product = x * w;
            (product.is_normal() || (product == 0.0 && (x == 0.0 || w == 0.0))).then_some(product)
        };
        (0..channels).map(product).collect()
    }
}

impl<'a> Integers<'a> {
    fn new(codes: &'a Tensor) -> Option<Self> {
        if let Ok(numbers) = codes.as_slice::<f32>() {
            let integers = numbers.iter().map(|&x| integer(x));
            return integers.collect::<Option<_>>().map(Self::Owned);
        }
        stored_codes(codes).ok().map(Self::Borrowed)
    }

    fn all(&self) -> Codes<'_> {
        match self {
            Self::Borrowed(codes) => *codes,
            Self::Owned(codes) => Codes::I32(codes),
        }
    }
}

/// A real number that is an integer of 32 bits.
#[allow(clippy::cast_possible_truncation)]
fn integer(x: f32) -> Option<i32> {
    // 2^31 is the first f32 beyond i32; every integral f32 below it converts without loss.
    (x.trunc() == x && (-2147483648.0..2147483648.0).contains(&x)).then_some(x as i32)
}
