use crate::linear::{Affine, Code, Grid};

/// The results of a function for all 256 codes of 8 bits.
#[derive(Clone, Debug)]
pub struct Table<C>([C; 256]);

impl<C: Code> Table<C> {
    /// `quantize(f(dequantize(x)))` for every code: `y = saturate(round_half_even(f / scale) + zero_point)`.
    ///
    /// Source: `contrib_ops/cpu/quantization/qlinear_lookup_table.cc` of onnxruntime 1.28.
    pub fn new(x: Grid, y: Affine, f: impl Fn(f32) -> f32) -> Self {
        Self(std::array::from_fn(|byte| {
            y.code(f(x.number(C::narrow(byte as i32).widen())) / y.scale())
        }))
    }

    /// The results for `x`.
    pub fn map(&self, x: &[C]) -> Vec<C> {
        x.iter().map(|x| self.0[(x.widen() & 0xff) as usize]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_holds_every_code() {
        let x = Grid { scale: 0.5, zero_point: 0 };
        let table = Table::<i8>::new(x, Affine::new(0.25, 1, -128, 127), |x| -x);
        assert_eq!(table.map(&[1, -1, -128, 127]), [-1, 3, 127, -128]);
    }
}
