use std::sync::{Arc, Mutex, PoisonError};

use vairun_numeric::kernel::{Codes, Element, Isa, Moved, Output, Written, transpose};
use vairun_ops::contraction::{Contraction, Packed, PackedInput};
use vairun_ops::{Context, Inputs, OpError, Operator, Outputs};
use vairun_tensor::{Carrier, DType, Tensor};

/// A contraction: exact where both operands were dequantized, else whatever the provider of the float form computes.
pub(crate) struct ExactOr {
    pub(crate) exact: Contraction,
    pub(crate) float: Box<dyn Operator>,
    pub(crate) isa: Isa,
    /// Whether weights and bias are the same in every run: then they are packed once.
    pub(crate) fixed: bool,
    /// Whether channels come second, not last.
    pub(crate) channels_second: bool,
    pub(crate) packed: Mutex<Vec<Ready>>,
}

/// Packed weights for x of one kind; `None` where the kernels cannot do it.
type Ready = (PackedInput, Option<Arc<Packed>>);

/// Kinds of x whose weights are kept.
const KEPT: usize = 4;

/// Elements behind the codes of x that kernels may read.
const SLACK: usize = 64;

impl Operator for ExactOr {
    fn run(&self, inputs: Inputs, context: &mut dyn Context) -> Result<Outputs, OpError> {
        if let Some(y) = self.run_packed(&inputs)? {
            return Ok(vec![y.into()]);
        }
        match self.exact.run(&inputs)? {
            Some(y) => Ok(vec![y.into()]),
            None => self.float.run(inputs, context),
        }
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        self.float.output_dtypes(inputs)
    }

    fn contraction(&self) -> Option<&Contraction> {
        Some(&self.exact)
    }
}

impl ExactOr {
    /// The result by the kernels for packed weights; `None` where they cannot do it.
    fn run_packed(&self, inputs: &Inputs) -> Result<Option<Tensor>, OpError> {
        let (x, w) = (inputs.tensor(0, "X")?, inputs.tensor(1, "W")?);
        let grid =
            x.dequantized().filter(|grid| self.fixed && grid.axis.is_none() && !x.is_empty());
        let Some((grid, codes)) = grid.and_then(|grid| Some((grid, x.codes()?))) else {
            return Ok(None);
        };
        let (Some(&scale), Some(&zero_point)) =
            (grid.scale.as_scalar::<f32>(), grid.zero_point.as_scalar::<i32>())
        else {
            return Ok(None);
        };
        let Some((element, offset, range)) = stored(codes.dtype().carrier()) else {
            return Ok(None);
        };
        let Some(zero) = zero_point.checked_add(offset).filter(|zero| zero.abs() <= 1 << 17) else {
            return Ok(None);
        };
        let input = PackedInput { shape: x.shape().to_vec(), element, scale, zero, range };
        let bias = inputs.optional(2)?;
        let Some(packed) = self.ready(input, w, bias)? else { return Ok(None) };
        let length: usize = packed.shape().iter().product();
        let mut y = vec![0f32; length];
        match packed.element() {
            Element::Byte => {
                let x = self.laid_out::<u8>(x.shape(), &bytes(codes)?);
                packed.run(Codes::U8(&x), Written::F32(&mut y));
            }
            Element::Word => {
                let x = self.laid_out::<i16>(x.shape(), &words(codes)?);
                packed.run(Codes::I16(&x), Written::F32(&mut y));
            }
        }
        let shape = packed.shape();
        if self.channels_second {
            let mut rows = vec![0f32; length];
            transpose(&y, shape[2..].iter().product(), shape[1], &mut rows);
            y = rows;
        }
        Ok(Some(Tensor::new(shape, y)?))
    }

    /// The weights packed for x, once for each kind of x.
    fn ready(
        &self,
        input: PackedInput,
        w: &Tensor,
        bias: Option<&Tensor>,
    ) -> Result<Option<Arc<Packed>>, OpError> {
        let lock = || self.packed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, packed)) = lock().iter().find(|(other, _)| *other == input) {
            return Ok(packed.clone());
        }
        let packed = self.exact.pack(&input, w, bias, Output::Real, self.isa)?.map(Arc::new);
        let mut kept = lock();
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push((input, packed.clone()));
        Ok(packed)
    }

    /// Stored codes, channels last, with [`SLACK`] behind them.
    fn laid_out<T: Moved>(&self, shape: &[usize], codes: &[T]) -> Vec<T> {
        let mut out = vec![T::default(); codes.len() + SLACK];
        let last = &mut out[..codes.len()];
        match self.channels_second {
            true => transpose(codes, shape[1], shape[2..].iter().product(), last),
            false => last.copy_from_slice(codes),
        }
        out
    }
}

/// How codes of a type are stored for the kernels, what is added to them, and their range then.
fn stored(carrier: Carrier) -> Option<(Element, i32, (i32, i32))> {
    match carrier {
        Carrier::U8 => Some((Element::Byte, 0, (0, 255))),
        Carrier::I8 => Some((Element::Byte, 128, (0, 255))),
        Carrier::I16 => Some((Element::Word, 0, (-32768, 32767))),
        Carrier::U16 => Some((Element::Word, -32768, (-32768, 32767))),
        _ => None,
    }
}

/// Codes of 8 bits, stored.
fn bytes(codes: &Tensor) -> Result<Vec<u8>, OpError> {
    Ok(match codes.dtype().carrier() {
        Carrier::U8 => codes.as_slice::<u8>()?.to_vec(),
        _ => codes.as_slice::<i8>()?.iter().map(|&code| code.cast_unsigned() ^ 0x80).collect(),
    })
}

/// Codes of 8 or 16 bits, stored as those of 16.
fn words(codes: &Tensor) -> Result<Vec<i16>, OpError> {
    Ok(match codes.dtype().carrier() {
        Carrier::I16 => codes.as_slice::<i16>()?.to_vec(),
        Carrier::U16 => {
            let stored = |&code: &u16| (code ^ 0x8000).cast_signed();
            codes.as_slice::<u16>()?.iter().map(stored).collect()
        }
        _ => bytes(codes)?.into_iter().map(i16::from).collect(),
    })
}
