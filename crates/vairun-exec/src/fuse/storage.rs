use vairun_numeric::kernel::{Grid, Isa, Narrow, NarrowParts, Requantize};
use vairun_ops::{Dequantizer, Quantizer};
use vairun_tensor::DType;

/// How the codes of a slot are stored: see `vairun_numeric::kernel`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Storage {
    /// 16 bits instead of 8.
    pub(super) wide: bool,
    /// What is added to a code to store it.
    pub(super) offset: i32,
    /// The least and the largest stored code.
    pub(super) range: (i32, i32),
    /// The type of the tensor of codes in the model.
    pub(super) dtype: DType,
}

impl Storage {
    /// For codes from `low` to `high`; `None` where they need more than 16 bits, or there are none.
    pub(super) fn new(low: i32, high: i32, dtype: DType) -> Option<Self> {
        let (wide, offset) = match (low, high) {
            _ if low > high => return None,
            (0.., ..=255) => (false, 0),
            (-128.., ..=127) => (false, 128),
            (-32768.., ..=32767) => (true, 0),
            (0.., ..=65535) => (true, -32768),
            _ => return None,
        };
        Some(Self { wide, offset, range: (low + offset, high + offset), dtype })
    }

    /// Of a quantizer's codes.
    pub(super) fn of(quantizer: &Quantizer) -> Option<Self> {
        Self::new(quantizer.low, quantizer.high, quantizer.dtype)
    }

    /// The quantizer on stored codes; `None` where the kernels have no such rule.
    pub(super) fn narrow(self, quantizer: &Quantizer) -> Option<Narrow> {
        let Quantizer { scale, zero_point, low, high, round, zero_inside, .. } = *quantizer;
        Narrow::new(NarrowParts {
            scale,
            zero: zero_point + self.offset,
            low: low + self.offset,
            high: high + self.offset,
            round,
            zero_inside: zero_inside.then_some(zero_point),
        })
    }

    /// The grid on stored codes; `None` for scales that are no positive normal number: their numbers do not tell the
    /// codes.
    pub(super) fn grid(self, dequantizer: Dequantizer) -> Option<Grid> {
        let Dequantizer { scale, zero_point } = dequantizer;
        let usable = scale > 0.0 && scale.is_normal() && zero_point.abs() <= 1 << 17;
        usable.then_some(Grid { scale, zero: zero_point + self.offset })
    }

    /// Whether each stored code of the range is that of its own number.
    pub(super) fn keeps(self, grid: Grid, narrow: Narrow) -> bool {
        let (low, high) = self.range;
        let codes: Vec<i16> = (low..=high).map(|code| code as i16).collect();
        let mut again = vec![0; codes.len()];
        Requantize { grid, narrow }.run(Isa::best(), &codes, &mut again);
        again == codes
    }

    /// How far a stored code is from the one of 0 at most.
    pub(super) fn reach(self, zero: i32) -> i64 {
        let (low, high) = self.range;
        i64::from(low - zero).abs().max(i64::from(high - zero).abs())
    }

    /// The number of stored codes of the type.
    pub(super) fn count(self) -> usize {
        if self.wide { 1 << 16 } else { 1 << 8 }
    }

    /// Stored code `i` of all, cut to the range.
    pub(super) fn nth(self, i: usize) -> i32 {
        let first = if self.wide { -32768 } else { 0 };
        (first + i as i32).clamp(self.range.0, self.range.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_stored_in_the_narrowest_type_that_holds_their_range() {
        let of = |low, high| Storage::new(low, high, DType::F32).map(|s| (s.wide, s.offset));
        assert_eq!(of(0, 255), Some((false, 0)));
        assert_eq!(of(-8, 7), Some((false, 128)));
        assert_eq!(of(-1, 255), Some((true, 0)));
        assert_eq!(of(0, 65535), Some((true, -32768)));
        assert_eq!(of(-1, 65535), None);
        assert_eq!(of(1, 0), None);
    }
}
