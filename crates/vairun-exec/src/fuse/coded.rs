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
        let codes = integers(tensor)?;
        let (low, high) = storage.range;
        let stored = |code: i32| {
            Some(code.checked_add(storage.offset)?).filter(|s| (low..=high).contains(s))
        };
        let length = tensor.len() + SLACK;
        let buffer = match storage.wide {
            false => {
                let mut out = Vec::with_capacity(length);
                for code in codes {
                    out.push(stored(code?)? as u8);
                }
                out.resize(length, 0);
                Buffer::Bytes(out)
            }
            true => {
                let mut out = Vec::with_capacity(length);
                for code in codes {
                    out.push(stored(code?)? as i16);
                }
                out.resize(length, 0);
                Buffer::Words(out)
            }
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

/// The integers of a tensor, one by one; `None` for a number that is none.
fn integers(tensor: &Tensor) -> Option<Box<dyn Iterator<Item = Option<i32>> + '_>> {
    fn whole(x: f32) -> Option<i32> {
        (x.trunc() == x && x.abs() <= 65536.0).then_some(x as i32)
    }
    Some(match tensor.dtype().carrier() {
        Carrier::I8 => Box::new(tensor.as_slice::<i8>().ok()?.iter().map(|&x| Some(x.into()))),
        Carrier::U8 => Box::new(tensor.as_slice::<u8>().ok()?.iter().map(|&x| Some(x.into()))),
        Carrier::I16 => Box::new(tensor.as_slice::<i16>().ok()?.iter().map(|&x| Some(x.into()))),
        Carrier::U16 => Box::new(tensor.as_slice::<u16>().ok()?.iter().map(|&x| Some(x.into()))),
        Carrier::I32 => Box::new(tensor.as_slice::<i32>().ok()?.iter().map(|&x| Some(x))),
        Carrier::F32 => Box::new(tensor.as_slice::<f32>().ok()?.iter().map(|&x| whole(x))),
        _ => return None,
    })
}
