//! The least and the greatest number of a tensor, and how many are none.

use serde::{Deserialize, Serialize};
use vairun_numeric::narrow::{Narrow, decode_e8m0};

use crate::{Carrier, DType, Tensor};

/// The range of a tensor. 64-bit integers beyond 2^53 are rounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// The least number; `None` for strings and where there is none.
    #[serde(with = "extended", default)]
    pub min: Option<f64>,
    /// The greatest number.
    #[serde(with = "extended", default)]
    pub max: Option<f64>,
    /// How many elements are NaN.
    pub nan: usize,
}

/// Numbers that are compared side by side, so that the compiler can use vectors.
const LANES: usize = 16;

impl Stats {
    /// Of all elements. Narrow floats are decoded; booleans are 0 and 1.
    pub fn of(tensor: &Tensor) -> Self {
        fn of<T: crate::Element + Copy + PartialOrd>(
            tensor: &Tensor,
            number: impl Fn(T) -> f64,
        ) -> Stats {
            range(tensor.as_slice::<T>().unwrap_or(&[]), number)
        }
        match tensor.dtype().carrier() {
            Carrier::Bool => of::<bool>(tensor, |x| f64::from(u8::from(x))),
            Carrier::I8 => of::<i8>(tensor, f64::from),
            Carrier::I16 => of::<i16>(tensor, f64::from),
            Carrier::I32 => of::<i32>(tensor, f64::from),
            Carrier::I64 => of::<i64>(tensor, |x| x as f64),
            Carrier::U8 => of_bytes(tensor),
            Carrier::U16 => of::<u16>(tensor, f64::from),
            Carrier::U32 => of::<u32>(tensor, f64::from),
            Carrier::U64 => of::<u64>(tensor, |x| x as f64),
            Carrier::F16 => of::<half::f16>(tensor, f64::from),
            Carrier::BF16 => of::<half::bf16>(tensor, f64::from),
            Carrier::F32 => of::<f32>(tensor, f64::from),
            Carrier::F64 => of::<f64>(tensor, |x| x),
            Carrier::String => Self::default(),
        }
    }
}

fn of_bytes(tensor: &Tensor) -> Stats {
    let bytes = tensor.as_slice::<u8>().unwrap_or(&[]);
    let decode: fn(u8) -> f32 = match tensor.dtype() {
        DType::F8E4M3FN => |code| Narrow::Float8E4M3FN.decode(code),
        DType::F8E4M3FNUZ => |code| Narrow::Float8E4M3FNUZ.decode(code),
        DType::F8E5M2 => |code| Narrow::Float8E5M2.decode(code),
        DType::F8E5M2FNUZ => |code| Narrow::Float8E5M2FNUZ.decode(code),
        DType::F4E2M1 => |code| Narrow::Float4E2M1.decode(code),
        DType::F8E8M0 => decode_e8m0,
        _ => return range(bytes, f64::from),
    };
    let numbers: Vec<f32> = bytes.iter().map(|&code| decode(code)).collect();
    range(&numbers, f64::from)
}

#[allow(clippy::eq_op)] // a number that differs from itself is NaN
fn range<T: Copy + PartialOrd>(data: &[T], number: impl Fn(T) -> f64) -> Stats {
    let nan = data.iter().filter(|&&x| x != x).count();
    let Some(&first) = data.iter().find(|&&x| x == x) else {
        return Stats { nan, ..Stats::default() };
    };
    let (mut least, mut greatest) = ([first; LANES], [first; LANES]);
    let chunks = data.chunks_exact(LANES);
    let rest = chunks.remainder();
    let mut take = |lane: usize, x: T| {
        least[lane] = if x < least[lane] { x } else { least[lane] };
        greatest[lane] = if x > greatest[lane] { x } else { greatest[lane] };
    };
    for chunk in chunks {
        (0..LANES).for_each(|lane| take(lane, chunk[lane]));
    }
    rest.iter().for_each(|&x| take(0, x));
    let min = least.into_iter().map(&number).fold(f64::INFINITY, f64::min);
    let max = greatest.into_iter().map(&number).fold(f64::NEG_INFINITY, f64::max);
    Stats { min: Some(min), max: Some(max), nan }
}

/// Numbers in JSON, which has no infinities: these are the strings `inf` and `-inf`.
mod extended {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Number {
        Finite(f64),
        Text(String),
    }

    pub(super) fn serialize<S: Serializer>(value: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
        let number = |value: f64| {
            if value.is_finite() { Number::Finite(value) } else { Number::Text(value.to_string()) }
        };
        value.map(number).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
        Ok(match Option::<Number>::deserialize(from)? {
            None => None,
            Some(Number::Finite(value)) => Some(value),
            Some(Number::Text(text)) => text.parse().ok(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_is_counted_and_does_not_hide_the_range() {
        let mut data = vec![f32::NAN; 40];
        data[17] = -3.0;
        data[39] = 5.0;
        let stats = Stats::of(&Tensor::vector(data));
        assert_eq!(stats, Stats { min: Some(-3.0), max: Some(5.0), nan: 38 });
        let none = Stats::of(&Tensor::vector(vec![f64::NAN]));
        assert_eq!(none, Stats { min: None, max: None, nan: 1 });
        assert_eq!(Stats::of(&Tensor::vector::<u8>(vec![])), Stats::default());
    }

    #[test]
    fn narrow_floats_are_numbers_not_codes() {
        let tensor = Tensor::with_dtype(DType::F8E4M3FN, &[3], vec![0x7eu8, 0xfe, 0x7f]).unwrap();
        assert_eq!(Stats::of(&tensor), Stats { min: Some(-448.0), max: Some(448.0), nan: 1 });
        let codes = Tensor::with_dtype(DType::U4, &[2], vec![15u8, 3]).unwrap();
        assert_eq!(Stats::of(&codes).max, Some(15.0));
    }

    #[test]
    fn infinities_survive_json() {
        let stats = Stats::of(&Tensor::vector(vec![f32::INFINITY, 1.5]));
        let text = serde_json::to_string(&stats).unwrap();
        assert_eq!(text, r#"{"min":1.5,"max":"inf","nan":0}"#);
        assert_eq!(serde_json::from_str::<Stats>(&text).unwrap(), stats);
    }
}
