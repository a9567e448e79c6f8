//! Elementwise operators on stored codes.

#![allow(unsafe_code)]

use rayon::prelude::*;

use super::dispatch::{alone, on};
use super::isa::Isa;
use super::narrow::Narrow;
use super::transpose::Moved;
use crate::vector::Loop;

/// Elements of one task.
const TASK: usize = 1 << 14;

/// A stored code, widened: of `u8` or `i16`, and no other type.
pub trait Stored: sealed::Sealed + Moved + Ord {
    /// Its value.
    fn widen(self) -> i32;
    /// The code of that value, which fits.
    fn narrow(wide: i32) -> Self;
}

mod sealed {
    /// Kernels tell the types apart by their size.
    pub trait Sealed {}
    impl Sealed for u8 {}
    impl Sealed for i16 {}
}

impl Stored for u8 {
    #[inline(always)]
    fn widen(self) -> i32 {
        self.into()
    }
    #[inline(always)]
    fn narrow(wide: i32) -> Self {
        wide as Self
    }
}

impl Stored for i16 {
    #[inline(always)]
    fn widen(self) -> i32 {
        self.into()
    }
    #[inline(always)]
    fn narrow(wide: i32) -> Self {
        wide as Self
    }
}

/// What a stored code means: `(code - zero) · scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// The distance of two neighbours.
    pub scale: f32,
    /// The stored code of 0.
    pub zero: i32,
}

impl Grid {
    /// The real number of a stored code.
    #[inline(always)]
    pub fn real(self, code: i32) -> f32 {
        (code - self.zero) as f32 * self.scale
    }
}

/// An operator on two real numbers, in f32.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operation {
    /// `a + b`
    Add,
    /// `a - b`
    Subtract,
    /// `a · b`
    Multiply,
    /// `a · p + (b · q + r)` for `[p, q, r]`, each sum fused with its product: onnxruntime's `QLinearAdd`.
    WeightedSum([f32; 3]),
    /// `a · p + (b · q + r)` for `[q, p, r]` where the operands have changed places.
    SwappedSum([f32; 3]),
    /// `a · b · p + q` for `[p, q]`, each step rounded: onnxruntime's `QLinearMul`.
    ScaledProduct([f32; 2]),
}

impl Operation {
    /// The operation for the operands in the other order, where there is one.
    pub fn swapped(self) -> Option<Self> {
        match self {
            Self::Add | Self::Multiply | Self::ScaledProduct(_) => Some(self),
            Self::Subtract => None,
            Self::WeightedSum(factors) => Some(Self::SwappedSum(factors)),
            Self::SwappedSum(factors) => Some(Self::WeightedSum(factors)),
        }
    }

    /// The result.
    #[inline(always)]
    pub fn apply(self, a: f32, b: f32) -> f32 {
        match self {
            Self::Add => a + b,
            Self::Subtract => a - b,
            Self::Multiply => a * b,
            Self::WeightedSum([p, q, r]) => a.mul_add(p, b.mul_add(q, r)),
            Self::SwappedSum([p, q, r]) => b.mul_add(p, a.mul_add(q, r)),
            Self::ScaledProduct([p, q]) => a * b * p + q,
        }
    }

    /// No result is larger in magnitude for operands up to `a` and `b`.
    pub fn bound(self, a: f32, b: f32) -> f32 {
        let bound = match self {
            Self::Add | Self::Subtract => a + b,
            Self::Multiply => a * b,
            Self::WeightedSum([p, q, r]) => a * p.abs() + (b * q.abs() + r.abs()),
            Self::SwappedSum([p, q, r]) => b * p.abs() + (a * q.abs() + r.abs()),
            Self::ScaledProduct([p, q]) => a * b * p.abs() + q.abs(),
        };
        // What roundings add.
        bound * 1.001
    }
}

/// `out = narrow(operation(a, b))` on codes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Binary {
    /// The operator.
    pub operation: Operation,
    /// Of a and b.
    pub grids: [Grid; 2],
    /// Of the result.
    pub narrow: Narrow,
}

struct Row<'a, A, B, C> {
    binary: &'a Binary,
    a: &'a [A],
    b: &'a [B],
    out: &'a mut [C],
}

impl<A: Stored, B: Stored, C: Stored> Row<'_, A, B, C> {
    fn on(self, isa: Isa) {
        match isa {
            // SAFETY: whoever chooses the instruction set has asked the CPU.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => unsafe {
                super::avx512::elementwise::binary(self.binary, self.a, self.b, self.out);
            },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            _ if isa.has_avx2() => unsafe {
                super::avx2::elementwise::binary(self.binary, self.a, self.b, self.out);
            },
            _ => on(isa, self),
        }
    }

    #[inline(always)]
    fn each(self, operation: impl Fn(f32, f32) -> f32) {
        let ([ga, gb], narrow) = (self.binary.grids, self.binary.narrow);
        let pairs = self.a.iter().zip(self.b);
        narrow
            .each(pairs.map(|(a, b)| operation(ga.real(a.widen()), gb.real(b.widen()))), self.out);
    }
}

impl<A: Stored, B: Stored, C: Stored> Loop for Row<'_, A, B, C> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        match self.binary.operation {
            Operation::Add => self.each(|a, b| a + b),
            Operation::Subtract => self.each(|a, b| a - b),
            Operation::Multiply => self.each(|a, b| a * b),
            other => self.each(|a, b| other.apply(a, b)),
        }
    }
}

impl Binary {
    /// `b` is as long as `a`, or a row of it that is used again and again.
    pub fn run<A: Stored, B: Stored, C: Stored>(&self, isa: Isa, a: &[A], b: &[B], out: &mut [C]) {
        assert_eq!(a.len(), out.len(), "as many codes as results");
        if out.is_empty() {
            return;
        }
        assert!(!b.is_empty() && a.len().is_multiple_of(b.len()), "b is a row of a");
        if b.len() == a.len() {
            if alone(a.len()) {
                return Row { binary: self, a, b, out }.on(isa);
            }
            let tasks = out.par_chunks_mut(TASK).zip(a.par_chunks(TASK)).zip(b.par_chunks(TASK));
            tasks.for_each(|((out, a), b)| Row { binary: self, a, b, out }.on(isa));
        } else {
            let mut room = [B::default(); ROW];
            let b = repeated(b, &mut room);
            let row = |(out, a): (&mut [C], &[A])| {
                Row { binary: self, a, b: &b[..a.len()], out }.on(isa);
            };
            if alone(a.len()) {
                return out.chunks_mut(b.len()).zip(a.chunks(b.len())).for_each(row);
            }
            let rows = out.par_chunks_mut(b.len()).zip(a.par_chunks(b.len()));
            rows.with_min_len(TASK.div_ceil(b.len())).for_each(row);
        }
    }
}

/// Elements that a short row is repeated to at most, so that little is left beside whole vectors.
const ROW: usize = 512;

/// A row as often as there is room for it whole, or itself.
fn repeated<'a, B: Copy>(row: &'a [B], room: &'a mut [B; ROW]) -> &'a [B] {
    if 2 * row.len() > ROW {
        return row;
    }
    let rows = room.chunks_exact_mut(row.len());
    let length = rows.len() * row.len();
    rows.for_each(|room| room.copy_from_slice(row));
    &room[..length]
}

/// `out = narrow(x)` on real numbers.
pub fn quantize<C: Stored>(isa: Isa, narrow: &Narrow, x: &[f32], out: &mut [C]) {
    struct All<'a, C>(&'a Narrow, &'a [f32], &'a mut [C]);
    impl<C: Stored> Loop for All<'_, C> {
        type Output = ();
        #[inline(always)]
        fn run(self) {
            self.0.each(self.1.iter().copied(), self.2);
        }
    }
    assert_eq!(x.len(), out.len(), "as many codes as numbers");
    in_tasks(x, out, |x, out| match isa {
        // SAFETY: whoever chooses the instruction set has asked the CPU.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { super::avx512::elementwise::quantize(narrow, x, out) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        _ if isa.has_avx2() => unsafe {
            super::avx2::elementwise::quantize(narrow, x, out);
        },
        _ => on(isa, All(narrow, x, out)),
    });
}

/// Calls `each` with parts of x and of the result.
pub(super) fn in_tasks<A: Sync, B: Send>(
    x: &[A],
    out: &mut [B],
    each: impl Fn(&[A], &mut [B]) + Sync,
) {
    match alone(x.len()) {
        true => each(x, out),
        false => {
            let tasks = out.par_chunks_mut(TASK).zip(x.par_chunks(TASK));
            tasks.for_each(|(out, x)| each(x, out));
        }
    }
}

/// `out[i] = table[x[i]]`, codes of 8 bits.
pub fn map_bytes(isa: Isa, table: &[u8; 256], x: &[u8], out: &mut [u8]) {
    assert_eq!(x.len(), out.len(), "as many codes as results");
    in_tasks(x, out, |x, out| match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => super::avx512::table::map_bytes(table, x, out),
        // SAFETY: whoever chooses the instruction set has asked the CPU.
        #[cfg(target_arch = "x86_64")]
        _ if isa.has_avx2() => unsafe { super::avx2::elementwise::map_bytes(table, x, out) },
        _ => out.iter_mut().zip(x).for_each(|(out, &x)| *out = table[usize::from(x)]),
    });
}

/// `out[i] = table[x[i]]` for codes of 8 bits and anything else.
pub fn map_to<T: Copy + Send + Sync>(table: &[T; 256], x: &[u8], out: &mut [T]) {
    assert_eq!(x.len(), out.len(), "as many codes as results");
    in_tasks(x, out, |x, out| {
        out.iter_mut().zip(x).for_each(|(out, &x)| *out = table[usize::from(x)]);
    });
}

/// `out[i] = table[x[i] + 32768]` for codes of 16 bits.
pub fn map_words<T: Copy + Send + Sync>(table: &[T], x: &[i16], out: &mut [T]) {
    assert_eq!((x.len(), table.len()), (out.len(), 1 << 16), "as many codes as results");
    in_tasks(x, out, |x, out| {
        out.iter_mut().zip(x).for_each(|(out, &x)| *out = table[(i32::from(x) + 32768) as usize]);
    });
}
