/// Integer codes of any of the types that quantizers make; 4-bit codes come in `i8` and `u8`.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub enum Codes<'a> {
    I8(&'a [i8]),
    U8(&'a [u8]),
    I16(&'a [i16]),
    U16(&'a [u16]),
    I32(&'a [i32]),
}

impl Codes<'_> {
    /// The number of codes.
    pub fn len(&self) -> usize {
        match self {
            Self::I8(codes) => codes.len(),
            Self::U8(codes) => codes.len(),
            Self::I16(codes) => codes.len(),
            Self::U16(codes) => codes.len(),
            Self::I32(codes) => codes.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One side of a contraction: its codes and what code means zero.
#[derive(Clone, Copy, Debug)]
pub struct Operand<'a> {
    /// The integers, row-major.
    pub codes: Codes<'a>,
    /// One for all, or one for each index of the axis that the contraction names.
    pub zero_points: &'a [i32],
}

/// The exact sums of a contraction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sums {
    /// The operands prove that every sum fits.
    I32(Vec<i32>),
    /// They do not.
    I64(Vec<i64>),
}

impl Sums {
    /// The number of sums.
    pub fn len(&self) -> usize {
        match self {
            Self::I32(sums) => sums.len(),
            Self::I64(sums) => sums.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sums as `i64`.
    pub fn to_i64(&self) -> Vec<i64> {
        match self {
            Self::I32(sums) => sums.iter().map(|&sum| sum.into()).collect(),
            Self::I64(sums) => sums.clone(),
        }
    }

    /// The sums modulo 2³², as operators with an `int32` result define them.
    pub fn into_wrapped_i32(self) -> Vec<i32> {
        match self {
            Self::I32(sums) => sums,
            Self::I64(sums) => sums.into_iter().map(|sum| sum as i32).collect(),
        }
    }
}
