//! The narrow floating-point types of ONNX, one number in one byte.
//!
//! Encoding rounds to the nearest number, ties to even. What lies beyond the largest number becomes that number with
//! [`Overflow::Saturate`] (infinities too), else infinity where the type has one and NaN where it has none.
//!
//! Source: ONNX, `Cast`, the tables on float8; `onnxruntime/core/common/float8.h` for the code that NaN gets. float4:
//! ml_dtypes 0.5, which ONNX's reference uses.

/// A type of at most 8 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Narrow {
    /// 1-4-3, largest 448, no infinity.
    Float8E4M3FN,
    /// 1-4-3, largest 240, no infinity, no -0; NaN is 0x80.
    Float8E4M3FNUZ,
    /// 1-5-2, largest 57344, with infinities.
    Float8E5M2,
    /// 1-5-2, largest 57344, no infinity, no -0; NaN is 0x80.
    Float8E5M2FNUZ,
    /// 1-2-1, largest 6, neither infinity nor NaN; in the low half of the byte.
    Float4E2M1,
}

/// What happens to numbers beyond the largest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Overflow {
    /// They become the largest. float4 always does so.
    Saturate,
    /// They become infinity, or NaN where there is none.
    Escape,
}

/// The layout of a type.
struct Layout {
    mantissa_bits: u32,
    bias: i32,
    sign: u8,
    /// The code of the largest number.
    largest: u8,
    /// The code that overflow escapes to.
    escape: u8,
    /// The code of NaN, without a sign.
    nan: u8,
    /// Whether the only zero and the only NaN are 0 and 0x80.
    unsigned_zero: bool,
}

impl Narrow {
    fn layout(self) -> Layout {
        let layout = |mantissa_bits, bias, largest, escape, nan, unsigned_zero| Layout {
            mantissa_bits,
            bias,
            sign: 0x80,
            largest,
            escape,
            nan,
            unsigned_zero,
        };
        match self {
            Self::Float8E4M3FN => layout(3, 7, 0x7e, 0x7f, 0x7f, false),
            Self::Float8E4M3FNUZ => layout(3, 8, 0x7f, 0x80, 0x80, true),
            Self::Float8E5M2 => layout(2, 15, 0x7b, 0x7c, 0x7f, false),
            Self::Float8E5M2FNUZ => layout(2, 16, 0x7f, 0x80, 0x80, true),
            Self::Float4E2M1 => Layout { sign: 8, ..layout(1, 1, 7, 7, 8, false) },
        }
    }
}

impl Narrow {
    /// The code of `x`.
    pub fn encode(self, x: f32, overflow: Overflow) -> u8 {
        let layout = self.layout();
        let sign = if x.is_sign_negative() { layout.sign } else { 0 };
        if x.is_nan() {
            // Where NaN and -0 share the code, the sign cannot be kept; float4 has no NaN, and ml_dtypes gives the
            // zero of the other sign.
            return if layout.unsigned_zero { layout.nan } else { layout.nan ^ sign };
        }
        let magnitude = layout.magnitude(x.abs());
        let code = match overflow {
            _ if magnitude <= u32::from(layout.largest) => magnitude as u8,
            Overflow::Saturate => layout.largest,
            Overflow::Escape => layout.escape,
        };
        match code {
            0 if layout.unsigned_zero => 0,
            code => code | sign,
        }
    }

    /// The number that `code` stands for. Bits above those of the type are ignored.
    pub fn decode(self, code: u8) -> f32 {
        let layout = self.layout();
        let magnitude = code & (layout.sign - 1);
        let sign = if code & layout.sign == 0 { 1.0 } else { -1.0f32 };
        let absent = match self {
            Self::Float4E2M1 => false,
            _ if layout.unsigned_zero => code == 0x80,
            _ => magnitude > layout.largest,
        };
        match magnitude {
            0x7c if self == Self::Float8E5M2 => sign * f32::INFINITY,
            _ if absent => f32::NAN.copysign(sign),
            _ => sign * layout.number(magnitude),
        }
    }

    /// Every code of `codes` as a number.
    pub fn decode_slice(self, codes: &[u8]) -> Vec<f32> {
        let table: [f32; 256] = std::array::from_fn(|code| self.decode(code as u8));
        codes.iter().map(|&code| table[usize::from(code)]).collect()
    }

    /// The code of every number of `x`.
    pub fn encode_slice(self, x: &[f32], overflow: Overflow) -> Vec<u8> {
        x.iter().map(|&x| self.encode(x, overflow)).collect()
    }
}

impl Layout {
    /// The code of the positive number `x` as if there were no largest.
    fn magnitude(&self, x: f32) -> u32 {
        let bits = x.to_bits();
        let exponent = (bits >> 23) as i32 - 127;
        let least = 1 - self.bias;
        let below = (least - exponent).max(0) as u32;
        let drop = 23 - self.mantissa_bits + below;
        // Subnormal numbers of f32 are far below half of the least number of any of the types.
        if drop > 24 || bits >> 23 == 0 {
            return 0;
        }
        let mantissa = bits & 0x7f_ffff | 0x80_0000;
        let tie = (1 << (drop - 1)) - 1 + (mantissa >> drop & 1);
        // The hidden one, and a carry, move the exponent up by themselves.
        let steps = (exponent.max(least) - least) as u32;
        (steps << self.mantissa_bits) + ((mantissa + tie) >> drop)
    }

    /// The number of a code below `sign`.
    fn number(&self, magnitude: u8) -> f32 {
        let exponent = i32::from(magnitude >> self.mantissa_bits);
        let fraction = u32::from(magnitude) & ((1 << self.mantissa_bits) - 1);
        let hidden = if exponent == 0 { 0 } else { 1 << self.mantissa_bits };
        let power = exponent.max(1) - self.bias - self.mantissa_bits as i32;
        (fraction + hidden) as f32 * (f64::from(power).exp2() as f32)
    }
}

/// The power of two that a float8e8m0 code stands for: `2^(code - 127)`; 255 is NaN.
pub fn decode_e8m0(code: u8) -> f32 {
    match code {
        0 => f32::from_bits(1 << 22),
        255 => f32::NAN,
        code => f32::from_bits(u32::from(code) << 23),
    }
}

/// The direction in which a number that is no power of two becomes one: ONNX `Cast`, `round_mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PowerRound {
    /// The next greater power.
    Up,
    /// The next less power.
    Down,
    /// The nearer one; the greater in the middle.
    Nearest,
}

/// The float8e8m0 code of the magnitude of `x`. NaN and infinities give 255, as does overflow with
/// [`Overflow::Escape`]; with [`Overflow::Saturate`] it gives 254.
///
/// Source: `to_float8e8m0` in `onnx/numpy_helper.py` of onnx 1.23, which drops the sign, and by which in the middle of
/// a subnormal only a rest decides.
pub fn encode_e8m0(x: f32, round: PowerRound, overflow: Overflow) -> u8 {
    let exponent = (x.to_bits() >> 23 & 0xff) as u8;
    let fraction = x.to_bits() & 0x7f_ffff;
    let up = match round {
        PowerRound::Up => fraction > 0,
        PowerRound::Down => false,
        PowerRound::Nearest if exponent == 0 => fraction > 0x40_0000,
        PowerRound::Nearest => fraction >= 0x40_0000,
    };
    match exponent {
        255 => 255,
        254 if overflow == Overflow::Saturate => 254,
        exponent => exponent + u8::from(up),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Narrow; 5] = [
        Narrow::Float8E4M3FN,
        Narrow::Float8E4M3FNUZ,
        Narrow::Float8E5M2,
        Narrow::Float8E5M2FNUZ,
        Narrow::Float4E2M1,
    ];

    fn codes(kind: Narrow) -> impl Iterator<Item = u8> {
        0..=if kind == Narrow::Float4E2M1 { 15 } else { 255 }
    }

    /// The finite non-negative numbers with their codes, ascending.
    fn numbers(kind: Narrow) -> Vec<(f64, u8)> {
        let positive = |&code: &u8| code & kind.layout().sign == 0;
        let all = codes(kind).filter(positive).map(|code| (f64::from(kind.decode(code)), code));
        all.filter(|(number, _)| number.is_finite()).collect()
    }

    /// The nearest by search; in the middle the one with the even code; `None` beyond the largest.
    fn search(numbers: &[(f64, u8)], x: f64) -> Option<u8> {
        let (last, before) = (numbers[numbers.len() - 1], numbers[numbers.len() - 2]);
        // The number that would follow the largest has an even code where the largest has an odd one.
        let (next, odd) = (2.0 * last.0 - before.0, last.1 % 2 == 1);
        let middle = (last.0 + next) / 2.0;
        if x > middle || (x == middle && odd) {
            return None;
        }
        let distance = |&(number, code): &(f64, u8)| ((number - x).abs(), code % 2);
        numbers
            .iter()
            .min_by(|a, b| distance(a).partial_cmp(&distance(b)).unwrap())
            .map(|&(_, code)| code)
    }

    #[test]
    fn numbers_of_the_specification() {
        let first = |kind: Narrow, code| kind.decode(code);
        assert_eq!(first(Narrow::Float8E4M3FN, 0x7e), 448.0);
        assert_eq!(first(Narrow::Float8E4M3FN, 0x01), 2f32.powi(-9));
        assert_eq!(first(Narrow::Float8E4M3FNUZ, 0x7f), 240.0);
        assert_eq!(first(Narrow::Float8E4M3FNUZ, 0x01), 2f32.powi(-10));
        assert_eq!(first(Narrow::Float8E5M2, 0x7b), 57344.0);
        assert_eq!(first(Narrow::Float8E5M2, 0xfc), f32::NEG_INFINITY);
        assert_eq!(first(Narrow::Float8E5M2FNUZ, 0x7f), 57344.0);
        assert_eq!(first(Narrow::Float8E5M2FNUZ, 0x01), 2f32.powi(-17));
        let float4 = (0..16).map(|code| Narrow::Float4E2M1.decode(code)).collect::<Vec<_>>();
        assert_eq!(float4[..8], [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]);
        assert_eq!(float4[15], -6.0);
        for kind in [Narrow::Float8E4M3FNUZ, Narrow::Float8E5M2FNUZ] {
            assert!(kind.decode(0x80).is_nan());
        }
        assert!(Narrow::Float8E4M3FN.decode(0xff).is_nan());
    }

    #[test]
    fn every_code_comes_back() {
        for kind in ALL {
            for code in codes(kind).filter(|&code| !kind.decode(code).is_nan()) {
                let number = kind.decode(code);
                let got = kind.encode(number, Overflow::Escape);
                assert!(got == code, "{kind:?} {code:#x} = {number} came back as {got:#x}");
            }
        }
    }

    #[test]
    fn encoding_finds_the_nearest() {
        for kind in ALL {
            let numbers = numbers(kind);
            let check = |x: f32| {
                let layout = kind.layout();
                let found = search(&numbers, f64::from(x.abs()));
                for (overflow, beyond) in
                    [(Overflow::Saturate, layout.largest), (Overflow::Escape, layout.escape)]
                {
                    let magnitude = found.unwrap_or(beyond);
                    let bare = layout.unsigned_zero && matches!(magnitude, 0 | 0x80);
                    let sign = if x.is_sign_negative() && !bare { layout.sign } else { 0 };
                    let (got, want) = (kind.encode(x, overflow), magnitude | sign);
                    assert!(
                        got == want,
                        "{kind:?}({x}, {overflow:?}) = {got:#x}, expected {want:#x}"
                    );
                }
            };
            for pair in numbers.windows(2) {
                let middle = ((pair[0].0 + pair[1].0) / 2.0) as f32;
                for x in [middle, middle.next_up(), middle.next_down(), pair[1].0 as f32] {
                    check(x);
                    check(-x);
                }
            }
            for bits in (0..0x7f80_0000u32).step_by(99_991) {
                check(f32::from_bits(bits));
                check(-f32::from_bits(bits));
            }
            for x in [0.0, -0.0, 464.0, 465.0, 248.0, 61440.0, 61439.0, f32::MAX, 1e-45] {
                check(x);
            }
        }
    }

    #[test]
    fn infinity_saturates_or_escapes() {
        let both = |kind: Narrow, x| {
            (kind.encode(x, Overflow::Saturate), kind.encode(x, Overflow::Escape))
        };
        assert_eq!(both(Narrow::Float8E4M3FN, f32::INFINITY), (0x7e, 0x7f));
        assert_eq!(both(Narrow::Float8E4M3FN, f32::NEG_INFINITY), (0xfe, 0xff));
        assert_eq!(both(Narrow::Float8E5M2, f32::NEG_INFINITY), (0xfb, 0xfc));
        assert_eq!(both(Narrow::Float8E4M3FNUZ, f32::NEG_INFINITY), (0xff, 0x80));
        assert_eq!(both(Narrow::Float8E5M2FNUZ, f32::INFINITY), (0x7f, 0x80));
        assert_eq!(both(Narrow::Float4E2M1, f32::NEG_INFINITY), (0xf, 0xf));
    }

    #[test]
    fn nan_keeps_its_sign_where_the_type_can() {
        let both = |kind: Narrow| [f32::NAN, -f32::NAN].map(|x| kind.encode(x, Overflow::Saturate));
        assert_eq!(both(Narrow::Float8E4M3FN), [0x7f, 0xff]);
        assert_eq!(both(Narrow::Float8E5M2), [0x7f, 0xff]);
        assert_eq!(both(Narrow::Float8E4M3FNUZ), [0x80, 0x80]);
        assert_eq!(both(Narrow::Float8E5M2FNUZ), [0x80, 0x80]);
        assert_eq!(both(Narrow::Float4E2M1), [8, 0]);
    }

    #[test]
    fn slices_are_element_by_element() {
        let all: Vec<u8> = (0..=255).collect();
        let numbers = Narrow::Float8E4M3FN.decode_slice(&all);
        assert_eq!(Narrow::Float8E4M3FN.encode_slice(&numbers, Overflow::Escape), all);
    }

    #[test]
    fn e8m0_is_a_power_of_two() {
        for code in 0..255u8 {
            assert_eq!(f64::from(decode_e8m0(code)), (f64::from(code) - 127.0).exp2(), "{code}");
            assert_eq!(
                encode_e8m0(
                    decode_e8m0(code).max(f32::MIN_POSITIVE),
                    PowerRound::Down,
                    Overflow::Escape
                ),
                code.max(1)
            );
        }
        assert!(decode_e8m0(255).is_nan());
    }

    #[test]
    fn e8m0_rounds_by_its_mode() {
        let code = |x, round| encode_e8m0(x, round, Overflow::Saturate);
        let modes = [PowerRound::Up, PowerRound::Down, PowerRound::Nearest];
        assert_eq!(modes.map(|mode| code(1.5, mode)), [128, 127, 128]);
        assert_eq!(modes.map(|mode| code(1.25, mode)), [128, 127, 127]);
        assert_eq!(modes.map(|mode| code(-4.0, mode)), [129, 129, 129]);
        assert_eq!(modes.map(|mode| code(f32::MAX, mode)), [254, 254, 254]);
        assert_eq!(encode_e8m0(f32::MAX, PowerRound::Up, Overflow::Escape), 255);
        assert_eq!(modes.map(|mode| code(f32::INFINITY, mode)), [255; 3]);
    }
}
