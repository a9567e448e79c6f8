use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use vairun::graph::Dim;
use vairun::tensor::{bf16, f16};
use vairun::{DType, Port, Tensor};

use crate::failure::Failure;

/// Draws a tensor for each input; the same for the same seed on every machine.
pub(crate) struct Random {
    seed: u64,
    dims: Vec<(String, usize)>,
}

impl Random {
    pub(crate) fn new(seed: u64, dims: &[(String, usize)]) -> Self {
        Self { seed, dims: dims.to_vec() }
    }

    /// A tensor for `port`, and a line that says what was drawn. Its numbers depend on the seed and on the port's
    /// place, not on what else is drawn.
    pub(crate) fn draw(&self, port: &Port, place: usize) -> Result<(Tensor, String), Failure> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(place as u64);
        let shape = self.shape(port)?;
        let dtype = port.dtype.unwrap_or(DType::F32);
        let count = count(&shape)
            .ok_or_else(|| Failure::usage(format!("`{}`: {shape:?} is too large", port.name)))?;
        let (tensor, range) = fill(dtype, &shape, count, &mut rng).ok_or_else(|| {
            Failure::usage(format!("`{}` is {dtype}: give it with -i", port.name))
        })?;
        Ok((tensor, format!("`{}` {dtype} {shape:?} {range}", port.name)))
    }

    /// Symbols and unknown dimensions are 1 unless --dim says otherwise.
    fn shape(&self, port: &Port) -> Result<Vec<usize>, Failure> {
        let dims = port.shape.as_ref().filter(|_| port.non_tensor.is_none()).ok_or_else(|| {
            Failure::usage(format!("`{}` has no declared shape: give it with -i", port.name))
        })?;
        let given =
            |symbol: &str| self.dims.iter().find(|(name, _)| name == symbol).map(|(_, n)| *n);
        Ok(dims
            .iter()
            .map(|dim| match dim {
                Dim::Fixed(n) => *n,
                Dim::Symbol(symbol) => given(symbol).unwrap_or(1),
                Dim::Unknown => 1,
            })
            .collect())
    }
}

fn count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |n, &dim| n.checked_mul(dim)).filter(|&n| n <= 1 << 32)
}

/// Floats in [0, 1), 8- and 16-bit integers over their whole range, wider ones small enough to be indices.
fn fill(dtype: DType, shape: &[usize], n: usize, rng: &mut impl Rng) -> Option<(Tensor, String)> {
    let unit = |rng: &mut dyn FnMut() -> f32| rng();
    let mut float = || rng.random::<f32>();
    let tensor = match dtype {
        DType::F32 => Tensor::new(shape, (0..n).map(|_| unit(&mut float)).collect()),
        DType::F64 => Tensor::new(shape, (0..n).map(|_| f64::from(float())).collect()),
        DType::F16 => Tensor::new(shape, (0..n).map(|_| f16::from_f32(float())).collect()),
        DType::BF16 => Tensor::new(shape, (0..n).map(|_| bf16::from_f32(float())).collect()),
        DType::Bool => Tensor::new(shape, (0..n).map(|_| float() < 0.5).collect()),
        _ => return integers(dtype, shape, n, rng),
    };
    let range = if dtype == DType::Bool { "false or true" } else { "in [0, 1)" };
    Some((tensor.ok()?, range.into()))
}

fn integers(
    dtype: DType,
    shape: &[usize],
    n: usize,
    rng: &mut impl Rng,
) -> Option<(Tensor, String)> {
    let (low, high) = dtype.integer_range()?;
    let (low, high) = if high > i128::from(u16::MAX) { (0, 9) } else { (low as i64, high as i64) };
    let codes: Vec<i64> = (0..n).map(|_| rng.random_range(low..=high)).collect();
    let range = format!("in {low}..={high}");
    macro_rules! narrowed {
        ($type:ty) => {
            Tensor::with_dtype(dtype, shape, codes.iter().map(|&code| code as $type).collect())
        };
    }
    use vairun::tensor::Carrier;
    let tensor = match dtype.carrier() {
        Carrier::I8 => narrowed!(i8),
        Carrier::I16 => narrowed!(i16),
        Carrier::I32 => narrowed!(i32),
        Carrier::I64 => narrowed!(i64),
        Carrier::U8 => narrowed!(u8),
        Carrier::U16 => narrowed!(u16),
        Carrier::U32 => narrowed!(u32),
        Carrier::U64 => narrowed!(u64),
        _ => return None,
    };
    Some((tensor.ok()?, range))
}
