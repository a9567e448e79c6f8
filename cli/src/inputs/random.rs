//! Inputs drawn at random, the same for a seed on every machine.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use vairun::tensor::{Element, bf16, f16};
use vairun::{DType, Port, Tensor, Value};

use super::Given;
use super::shape::{Declared, Shapes};
use crate::failure::Failure;

/// Elements that are drawn at most: a shape from a file may ask for any number.
const MOST: usize = 1 << 30;

/// From the first to the second number.
pub(super) type Range = (f64, f64);

/// How numbers are drawn.
pub(super) struct Random<'a> {
    pub(super) seed: u64,
    pub(super) ranges: &'a [(Option<String>, Range)],
}

impl Random<'_> {
    /// A value for the input. A dimension of which nothing is known is 1.
    pub(super) fn draw(&self, port: &Port, shapes: &Shapes) -> Result<Given, Failure> {
        if let Some(kind) = &port.non_tensor {
            if kind.starts_with("optional") {
                let from = "left out".to_owned();
                return Ok(Given { name: port.name.clone(), value: Value::Optional(None), from });
            }
            return Err(Failure::usage(format!(
                "input `{}` is a {kind}, which is not drawn at random",
                port.name
            ))
            .help("give a folder test_data_set_N with `-i`"));
        }
        let (shape, assumed) = match shapes.of(port) {
            Declared::Known(shape) => (shape, String::new()),
            Declared::Open(dims) => {
                let open: Vec<_> = dims
                    .iter()
                    .filter(|(_, n)| n.is_none())
                    .map(|(name, _)| format!("{name}=1"))
                    .collect();
                let shape = dims.iter().map(|(_, n)| n.unwrap_or(1)).collect();
                (shape, format!(", {}", open.join(" ")))
            }
            Declared::Nothing => {
                return Err(Failure::usage(format!("input `{}` has no declared shape", port.name))
                    .help(format!("give it with `--shape {}=1x3x224x224`", port.name)));
            }
        };
        let dtype = port.dtype.unwrap_or(DType::F32);
        let range = self.range(port, dtype)?;
        let mut rng = self.generator(&port.name);
        let tensor = tensor(dtype, &shape, range, &mut rng)
            .map_err(|what| Failure::usage(format!("input `{}`: {what}", port.name)))?;
        let (low, high) = range;
        let from = format!("random, seed {}, {low} … {high}{assumed}", self.seed);
        Ok(Given { name: port.name.clone(), value: tensor.into(), from })
    }

    fn range(&self, port: &Port, dtype: DType) -> Result<Range, Failure> {
        let named = self.ranges.iter().rev().find(|(name, _)| name.as_deref() == Some(&port.name));
        let given = named.or_else(|| self.ranges.iter().rev().find(|(name, _)| name.is_none()));
        let limits = dtype.integer_range().map(|(low, high)| (low as f64, high as f64));
        match (given, limits) {
            (Some((_, (low, high))), Some((least, most))) if *low < least || *high > most => {
                Err(Failure::usage(format!(
                    "input `{}` is {dtype}: {low}..{high} is beyond its range",
                    port.name
                )))
            }
            (Some((_, range)), _) => Ok(*range),
            // Wider integers are indices, masks and lengths: any other number may lead nowhere.
            (None, Some(_)) if dtype.bits() > Some(8) => Ok((0.0, 1.0)),
            (None, Some(limits)) => Ok(limits),
            (None, None) if dtype == DType::Bool => Ok((0.0, 1.0)),
            (None, None) => Ok((-1.0, 1.0)),
        }
    }

    /// Each input has numbers of its own, whatever other inputs there are.
    fn generator(&self, name: &str) -> ChaCha8Rng {
        let mut seed = [0u8; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        for (i, byte) in name.bytes().enumerate() {
            let place = 8 + i % 24;
            seed[place] = seed[place].wrapping_mul(31).wrapping_add(byte);
        }
        ChaCha8Rng::from_seed(seed)
    }
}

/// A number from 0 to below 1, a multiple of 2^-24.
fn unit(rng: &mut ChaCha8Rng) -> f64 {
    f64::from(rng.next_u32() >> 8) / f64::from(1 << 24)
}

fn tensor(
    dtype: DType,
    shape: &[usize],
    (low, high): Range,
    rng: &mut ChaCha8Rng,
) -> Result<Tensor, String> {
    let count = shape.iter().try_fold(1usize, |n, &dim| n.checked_mul(dim)).filter(|&n| n <= MOST);
    let count = count.ok_or_else(|| format!("shape {shape:?} is too large to draw"))?;
    fn fill<T: Element>(
        dtype: DType,
        shape: &[usize],
        count: usize,
        mut next: impl FnMut() -> T,
    ) -> Result<Tensor, String> {
        let data = std::iter::repeat_with(&mut next).take(count).collect();
        Tensor::with_dtype(dtype, shape, data).map_err(|error| error.to_string())
    }
    let mut other = rng.clone();
    let mut real = || low + unit(rng) * (high - low);
    let mut whole = || {
        let steps = (high - low).floor() as u64;
        let step =
            if steps == u64::MAX { other.next_u64() } else { other.next_u64() % (steps + 1) };
        low as i128 + i128::from(step)
    };
    match dtype {
        DType::F32 => fill(dtype, shape, count, || real() as f32),
        DType::F64 => fill(dtype, shape, count, real),
        DType::F16 => fill(dtype, shape, count, || f16::from_f64(real())),
        DType::BF16 => fill(dtype, shape, count, || bf16::from_f64(real())),
        DType::Bool => fill(dtype, shape, count, || whole() != 0),
        DType::I2 | DType::I4 | DType::I8 => fill(dtype, shape, count, || whole() as i8),
        DType::I16 => fill(dtype, shape, count, || whole() as i16),
        DType::I32 => fill(dtype, shape, count, || whole() as i32),
        DType::I64 => fill(dtype, shape, count, || whole() as i64),
        DType::U2 | DType::U4 | DType::U8 => fill(dtype, shape, count, || whole() as u8),
        DType::U16 => fill(dtype, shape, count, || whole() as u16),
        DType::U32 => fill(dtype, shape, count, || whole() as u32),
        DType::U64 => fill(dtype, shape, count, || whole() as u64),
        other => Err(format!("{other} is not drawn at random; give it with `-i`")),
    }
}

/// `LOW..HIGH`, perhaps after `NAME=`.
pub(super) fn parse_range(text: &str) -> Result<(Option<String>, Range), String> {
    let (name, range) = match text.rsplit_once('=') {
        Some((name, range)) => (Some(name.to_owned()), range),
        None => (None, text),
    };
    let (low, high) = range.split_once("..").ok_or("expected LOW..HIGH")?;
    let number = |text: &str| {
        text.trim()
            .parse::<f64>()
            .ok()
            .filter(|x| x.is_finite())
            .ok_or(format!("`{text}` is no number"))
    };
    let range = (number(low)?, number(high)?);
    if range.0 > range.1 {
        return Err(format!("{low} is greater than {high}"));
    }
    Ok((name, range))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use vairun::graph::Dim;

    use super::*;

    fn port(dtype: DType, shape: &[Dim]) -> Port {
        Port {
            name: "x".into(),
            dtype: Some(dtype),
            shape: Some(shape.to_vec()),
            non_tensor: None,
            has_default: false,
        }
    }

    fn draw(dtype: DType, seed: u64, ranges: &[(Option<String>, Range)]) -> Result<Given, String> {
        let dims = BTreeMap::new();
        let shapes = Shapes { given: &[], dims: &dims };
        let port = port(dtype, &[Dim::Fixed(1000), Dim::Symbol("n".into())]);
        Random { seed, ranges }.draw(&port, &shapes).map_err(|failure| failure.message)
    }

    fn floats(given: &Given) -> Vec<f32> {
        given.value.as_tensor().unwrap().as_slice::<f32>().unwrap().to_vec()
    }

    #[test]
    fn a_seed_gives_the_same_numbers_on_every_machine() {
        let given = draw(DType::F32, 0, &[]).unwrap();
        assert_eq!(floats(&given), floats(&draw(DType::F32, 0, &[]).unwrap()));
        assert_ne!(floats(&given), floats(&draw(DType::F32, 1, &[]).unwrap()));
        assert_eq!(given.from, "random, seed 0, -1 … 1, n=1");
        let first: Vec<u32> = floats(&given)[..3].iter().map(|x| x.to_bits()).collect();
        assert_eq!(first, FIRST);
    }

    #[test]
    fn integers_fill_their_range() {
        let given = draw(DType::I4, 0, &[]).unwrap();
        let codes = given.value.as_tensor().unwrap().as_slice::<i8>().unwrap();
        assert_eq!((codes.iter().min(), codes.iter().max()), (Some(&-8), Some(&7)));
        let indices = draw(DType::I64, 0, &[]).unwrap();
        let indices = indices.value.as_tensor().unwrap().as_slice::<i64>().unwrap();
        assert_eq!((indices.iter().min(), indices.iter().max()), (Some(&0), Some(&1)));
    }

    #[test]
    fn a_range_is_kept_and_must_fit_the_type() {
        let narrow = [(Some("x".to_owned()), (2.0, 3.0))];
        assert!(
            floats(&draw(DType::F32, 0, &narrow).unwrap()).iter().all(|x| (2.0..3.0).contains(x))
        );
        let error = draw(DType::U8, 0, &[(None, (0.0, 256.0))]).err().unwrap();
        assert_eq!(error, "input `x` is uint8: 0..256 is beyond its range");
    }

    #[test]
    fn ranges_are_read() {
        assert_eq!(parse_range("a=-1.5..2"), Ok((Some("a".into()), (-1.5, 2.0))));
        assert!(
            parse_range("2..1").is_err()
                && parse_range("1").is_err()
                && parse_range("a..b").is_err()
        );
    }

    /// The first numbers of seed 0 for an input called `x`.
    const FIRST: [u32; 3] = [3211691144, 3192687832, 3203804976];
}
