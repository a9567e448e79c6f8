//! The codes that a quantizer with a fault makes; arithmetic of its own, independent of the code under test.

use anyhow::Result;
use vairun::{DType, Tensor};

use crate::material::numbers;

/// A quantizer with one scale.
pub(super) struct Site {
    pub(super) x: String,
    pub(super) y: String,
    pub(super) scale: f32,
    pub(super) zero_point: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    /// vai adds the zero point before rounding.
    pub(super) zero_point_first: bool,
    /// The rounding method in vai's numbers.
    pub(super) method: i64,
}

/// A code for a number and its right code.
type Code<'a> = Box<dyn Fn(f32, f64) -> f64 + 'a>;

/// No rounding method of vai: toward zero.
const TRUNCATE: i64 = 0;

fn round(method: i64, t: f64) -> f64 {
    match method {
        TRUNCATE => t.trunc(),
        2 => (t + 0.5).floor(),
        3 => t.round(),
        4 => t.floor(),
        7 => t.ceil(),
        6 => (t.abs() - 0.5).ceil().copysign(t),
        5 if t < 0.0 => (t + 0.5).floor(),
        _ => t.round_ties_even(),
    }
}

fn sigmoid(x: f32) -> f32 {
    (1.0 / (1.0 + (-f64::from(x)).exp())) as f32
}

impl Site {
    fn clip(&self, code: f64) -> f64 {
        code.max(self.low).min(self.high)
    }

    fn unclipped(&self, x: f32, method: i64, zero_point_first: bool) -> f64 {
        let t = x / self.scale;
        if zero_point_first {
            round(method, f64::from(t + self.zero_point as f32))
        } else {
            round(method, f64::from(t)) + self.zero_point
        }
    }

    fn own(&self, x: f32) -> f64 {
        self.unclipped(x, self.method, self.zero_point_first)
    }

    fn quantized(&self, x: f32) -> f64 {
        self.clip(self.own(x))
    }

    /// The faults of a quantizer: the cause that must be named, and the codes.
    pub(super) fn faults(&self) -> Vec<(&'static str, Code<'_>)> {
        let mut faults = self.roundings();
        faults.extend(self.ranges());
        faults.extend(self.grids());
        faults.extend(self.functions());
        faults
    }

    fn roundings(&self) -> Vec<(&'static str, Code<'_>)> {
        let rounded = |method| -> (&'static str, Code<'_>) {
            (
                "rounding",
                Box::new(move |x, _| self.clip(self.unclipped(x, method, self.zero_point_first))),
            )
        };
        let others =
            [TRUNCATE, 2, 3, 4, 5, 6, 7, 8].into_iter().filter(|&method| method != self.method);
        let mut faults: Vec<_> = others.map(rounded).collect();
        let moved = move |x, _| self.clip(self.unclipped(x, self.method, !self.zero_point_first));
        faults.push(("zero_point_order", Box::new(moved)));
        faults
    }

    fn ranges(&self) -> Vec<(&'static str, Code<'_>)> {
        let count = self.high - self.low + 1.0;
        let wrapped = move |x, _| self.low + (self.own(x) - self.low).rem_euclid(count);
        let clip_first = move |x: f32, _| {
            let code = self.clip(round(self.method, f64::from(x / self.scale)));
            self.clip(code + self.zero_point)
        };
        vec![
            ("wrapped", Box::new(wrapped)),
            ("narrow_range", Box::new(|_, code| code.max(self.low + 1.0))),
            ("clip_order", Box::new(clip_first)),
        ]
    }

    /// Other zero points and scales.
    fn grids(&self) -> Vec<(&'static str, Code<'_>)> {
        let offset = |by: f64| -> (&'static str, Code<'_>) {
            ("constant_offset", Box::new(move |x, _| self.clip(self.own(x) + by)))
        };
        let scaled = |factor: f32| -> (&'static str, Code<'_>) {
            ("constant_ratio", Box::new(move |x, _| self.quantized(x / factor)))
        };
        let shifted = |code: f64, bits: i32| (code - self.zero_point) * 2f64.powi(bits);
        vec![
            offset(3.0),
            offset(-1.0),
            offset(-self.zero_point),
            scaled(2.0),
            scaled(0.5),
            scaled(8.0),
            (
                "constant_ratio",
                Box::new(move |_, code| self.clip(shifted(code, -1).floor() + self.zero_point)),
            ),
            (
                "constant_ratio",
                Box::new(move |_, code| self.clip(shifted(code, 2) + self.zero_point)),
            ),
            ("all_zero", Box::new(|_, _| 0.0)),
            ("all_zero", Box::new(|_, _| self.zero_point)),
        ]
    }

    /// Activations that the model does not have there.
    fn functions(&self) -> Vec<(&'static str, Code<'_>)> {
        let applied = |f: fn(f32) -> f32| -> (&'static str, Code<'_>) {
            ("activation", Box::new(move |x, _| self.quantized(f(x))))
        };
        vec![
            applied(|x| x.max(0.0)),
            applied(|x| x.clamp(0.0, 6.0)),
            applied(|x| if x < 0.0 { 0.1 * x } else { x }),
            applied(sigmoid),
            applied(|x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0)),
            applied(|x| x * sigmoid(x)),
            applied(f32::tanh),
        ]
    }
}

/// The same bytes read with the other sign.
pub(super) fn other_sign(low: f64, high: f64, code: f64) -> f64 {
    let count = high - low + 1.0;
    match low < 0.0 {
        true if code < 0.0 => code + count,
        false if code >= count / 2.0 => code - count,
        _ => code,
    }
}

/// Numbers in the type of a tensor, in the shape given.
pub(super) fn shaped(dtype: DType, shape: &[usize], values: &[f64]) -> Result<Tensor> {
    macro_rules! of {
        ($type:ty) => {
            Tensor::new(shape, values.iter().map(|&x| x as $type).collect::<Vec<_>>())?
        };
    }
    Ok(match dtype {
        DType::I8 => of!(i8),
        DType::U8 => of!(u8),
        DType::I16 => of!(i16),
        DType::U16 => of!(u16),
        DType::I32 => of!(i32),
        _ => of!(f32),
    })
}

/// Numbers in the type and shape of a tensor.
pub(super) fn like(tensor: &Tensor, values: &[f64]) -> Result<Tensor> {
    shaped(tensor.dtype(), tensor.shape(), values)
}

/// Codes in a type that holds them whatever their sign.
pub(super) fn wide(tensor: &Tensor, values: &[f64]) -> Result<Tensor> {
    let dtype = if tensor.dtype() == DType::F32 { DType::F32 } else { DType::I32 };
    shaped(dtype, tensor.shape(), values)
}

/// Whether any element differs.
pub(super) fn differs(a: &Tensor, b: &Tensor) -> Result<bool> {
    Ok(a.shape() != b.shape() || numbers(a)? != numbers(b)?)
}
