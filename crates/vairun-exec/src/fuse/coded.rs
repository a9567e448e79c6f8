use vairun_numeric::kernel::{Codes, Grid, map_to, transpose};
use vairun_tensor::{Carrier, Dequantized, Tensor};

use super::buffers::{Buffers, SLACK};
use super::storage::Storage;

/// In which order the codes of a tensor lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Row-major.
    Rows,
    /// `[n, …, c]` for the shape `[n, c, …]`.
    ChannelsLast,
}

/// Stored codes, with some elements more behind them.
#[derive(Clone, Debug)]
pub(super) enum Buffer {
    /// 8 bits.
    Bytes(Vec<u8>),
    /// 16 bits.
    Words(Vec<i16>),
}

/// A coded tensor.
#[derive(Clone, Debug)]
pub(super) struct Coded {
    /// The shape in the model.
    pub(super) shape: Vec<usize>,
    pub(super) order: Order,
    pub(super) buffer: Buffer,
    /// Whether the plain plan knows the grid of the numbers too: a contraction of them is exact.
    pub(super) on_grid: bool,
}

/// Evaluates `$body` with `$codes` bound to the slice of codes of either width.
macro_rules! with_codes {
    ($coded:expr, $codes:ident => $body:expr) => {{
        let length = $coded.len();
        match &$coded.buffer {
            $crate::fuse::coded::Buffer::Bytes(buffer) => {
                let $codes = &buffer[..length];
                $body
            }
            $crate::fuse::coded::Buffer::Words(buffer) => {
                let $codes = &buffer[..length];
                $body
            }
        }
    }};
}
pub(super) use with_codes;

impl Coded {
    /// The number of codes.
    pub(super) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Channels where they lie last, and pixels of an image.
    fn channels(&self) -> (usize, usize) {
        (self.shape[1], self.shape[2..].iter().product())
    }

    /// Whether both orders are one.
    fn has_one_order(&self) -> bool {
        self.shape.len() < 3 || self.shape[1] == 1 || self.shape[2..].iter().all(|&d| d == 1)
    }

    /// Whether the codes lie in this order.
    pub(super) fn lies(&self, order: Order) -> bool {
        self.order == order || self.has_one_order()
    }

    /// The codes in another order.
    pub(super) fn ordered(&self, order: Order, buffers: &mut Buffers) -> Option<Self> {
        if self.lies(order) {
            return None;
        }
        let (channels, pixels) = self.channels();
        let (rows, columns) = match order {
            Order::ChannelsLast => (channels, pixels),
            Order::Rows => (pixels, channels),
        };
        let length = self.len();
        let buffer = match &self.buffer {
            Buffer::Bytes(codes) => {
                let mut out = buffers.take(length);
                transpose(&codes[..length], rows, columns, &mut out[..length]);
                Buffer::Bytes(out)
            }
            Buffer::Words(codes) => {
                let mut out = buffers.take(length);
                transpose(&codes[..length], rows, columns, &mut out[..length]);
                Buffer::Words(out)
            }
        };
        Some(Self { shape: self.shape.clone(), order, buffer, on_grid: self.on_grid })
    }

    /// The codes for a kernel, what lies behind them included.
    pub(super) fn codes(&self) -> Codes<'_> {
        match &self.buffer {
            Buffer::Bytes(codes) => Codes::U8(codes),
            Buffer::Words(codes) => Codes::I16(codes),
        }
    }

    /// The codes of a tensor of codes; `None` where one is not among those of `storage`.
    pub(super) fn encode(tensor: &Tensor, storage: Storage) -> Option<Self> {
        let buffer = match storage.wide {
            false => Buffer::Bytes(encoded(tensor, storage, |stored| stored as u8)?),
            true => Buffer::Words(encoded(tensor, storage, |stored| stored as i16)?),
        };
        let shape = tensor.shape().to_vec();
        Some(Self { shape, order: Order::Rows, buffer, on_grid: true })
    }

    /// The tensor of codes in the model.
    pub(super) fn decode(&self, storage: Storage, buffers: &mut Buffers) -> Option<Tensor> {
        let turned = self.ordered(Order::Rows, buffers);
        let coded = turned.as_ref().unwrap_or(self);
        let code = |stored: i32| stored - storage.offset;
        let tensor = with_codes!(coded, codes => {
            let codes = codes.iter().map(|&stored| code(i32::from(stored)));
            tensor_of(storage, &coded.shape, codes)
        });
        if let Some(turned) = turned {
            turned.recycle(buffers);
        }
        tensor
    }

    /// The numbers of the codes on a grid, row-major.
    pub(super) fn reals(&self, grid: Grid, buffers: &mut Buffers) -> Option<Tensor> {
        let table = |i: usize| grid.real(i as i32);
        let turned = self.ordered(Order::Rows, buffers);
        let coded = turned.as_ref().unwrap_or(self);
        let length = coded.len();
        let numbers = match &coded.buffer {
            Buffer::Bytes(codes) => {
                let mut out = vec![0f32; length];
                map_to(&std::array::from_fn(table), &codes[..length], &mut out);
                out
            }
            Buffer::Words(codes) => {
                codes[..length].iter().map(|&code| grid.real(code.into())).collect()
            }
        };
        let tensor = Tensor::new(&coded.shape, numbers).ok()?;
        if let Some(turned) = turned {
            turned.recycle(buffers);
        }
        Some(match self.on_grid {
            true => {
                let (scale, zero) =
                    (Tensor::vector(vec![grid.scale]), Tensor::vector(vec![grid.zero]));
                tensor.with_dequantized(Dequantized::on_grid(scale, zero, None))
            }
            false => tensor,
        })
    }

    /// Gives the buffer back.
    pub(super) fn recycle(self, buffers: &mut Buffers) {
        match self.buffer {
            Buffer::Bytes(buffer) => buffers.give(buffer),
            Buffer::Words(buffer) => buffers.give(buffer),
        }
    }
}

/// A tensor of codes in the type of the model.
pub(super) fn tensor_of(
    storage: Storage,
    shape: &[usize],
    codes: impl Iterator<Item = i32>,
) -> Option<Tensor> {
    let dtype = storage.dtype;
    let tensor = match dtype.carrier() {
        Carrier::I8 => Tensor::with_dtype(dtype, shape, codes.map(|code| code as i8).collect()),
        Carrier::U8 => Tensor::with_dtype(dtype, shape, codes.map(|code| code as u8).collect()),
        Carrier::I16 => Tensor::with_dtype(dtype, shape, codes.map(|code| code as i16).collect()),
        Carrier::U16 => Tensor::with_dtype(dtype, shape, codes.map(|code| code as u16).collect()),
        Carrier::I32 => Tensor::with_dtype(dtype, shape, codes.collect()),
        Carrier::F32 => Tensor::with_dtype(dtype, shape, codes.map(|code| code as f32).collect()),
        _ => return None,
    };
    tensor.ok()
}

/// The stored codes of a tensor of integers, of any type that holds them; `None` where one is not among those of
/// `storage`, or a number is none.
fn encoded<S: Copy + Default>(
    tensor: &Tensor,
    storage: Storage,
    narrow: impl Fn(i32) -> S,
) -> Option<Vec<S>> {
    /// Beyond all codes.
    const NONE: i32 = i32::MAX;
    let whole = |x: f32| if x.trunc() == x && x.abs() <= 65536.0 { x as i32 } else { NONE };
    match tensor.dtype().carrier() {
        Carrier::I8 => stored(tensor.as_slice::<i8>().ok()?, storage, i32::from, narrow),
        Carrier::U8 => stored(tensor.as_slice::<u8>().ok()?, storage, i32::from, narrow),
        Carrier::I16 => stored(tensor.as_slice::<i16>().ok()?, storage, i32::from, narrow),
        Carrier::U16 => stored(tensor.as_slice::<u16>().ok()?, storage, i32::from, narrow),
        Carrier::I32 => stored(tensor.as_slice::<i32>().ok()?, storage, |code| code, narrow),
        Carrier::F32 => stored(tensor.as_slice::<f32>().ok()?, storage, whole, narrow),
        _ => None,
    }
}

/// The same of codes of one type: all are looked at, so that the loop has no way out.
fn stored<T: Copy, S: Copy + Default>(
    codes: &[T],
    storage: Storage,
    widen: impl Fn(T) -> i32,
    narrow: impl Fn(i32) -> S,
) -> Option<Vec<S>> {
    let (low, high) = storage.range;
    let mut out = Vec::with_capacity(codes.len() + SLACK);
    let mut fits = true;
    out.extend(codes.iter().map(|&code| {
        let stored = widen(code).saturating_add(storage.offset);
        fits &= low <= stored && stored <= high;
        narrow(stored)
    }));
    out.resize(codes.len() + SLACK, S::default());
    fits.then_some(out)
}
