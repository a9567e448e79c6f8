//! Weights of 2, 4 or 8 bits in bytes, as `com.microsoft::MatMulNBits` and `GatherBlockQuantized` hold them: several
//! numbers in a byte, the first in the lowest bits, each row from a new byte on; a scale and a zero point for each block
//! of a row.

/// How numbers are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    bits: u32,
}

impl Packing {
    /// `None` unless a byte holds a whole number of them.
    pub fn new(bits: i64) -> Option<Self> {
        let bits = u32::try_from(bits).ok()?;
        matches!(bits, 1 | 2 | 4 | 8).then_some(Self { bits })
    }

    /// Numbers in a byte.
    pub fn per_byte(self) -> usize {
        (8 / self.bits) as usize
    }

    /// Bytes of a row of `count` numbers.
    pub fn row_bytes(self, count: usize) -> usize {
        count.div_ceil(self.per_byte())
    }

    /// Half the range: the zero point where none is given.
    pub fn middle(self) -> u8 {
        1 << (self.bits - 1)
    }

    /// Number `index` of a row.
    #[inline(always)]
    pub fn get(self, row: &[u8], index: usize) -> u8 {
        let shift = (index % self.per_byte()) as u32 * self.bits;
        row[index / self.per_byte()] >> shift & (0xff >> (8 - self.bits))
    }
}

/// A matrix of which each row falls into blocks of `block` numbers.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a> {
    /// How the numbers are packed.
    pub packing: Packing,
    /// `[rows, blocks, bytes of a block]`
    pub bytes: &'a [u8],
    /// Rows.
    pub rows: usize,
    /// Numbers of a row; the last block may be longer than what is left.
    pub columns: usize,
    /// Numbers of a block, a multiple of those in a byte.
    pub block: usize,
    /// `[rows, blocks]`
    pub scales: &'a [f32],
    /// `[rows, blocks]`: what is subtracted.
    pub zeros: &'a [f32],
    /// For each column the block whose scale and zero point it takes; `None`: its own.
    pub groups: Option<&'a [usize]>,
}

impl Weights<'_> {
    /// `f32(number - zero) · scale`, transposed: `[columns, rows]`.
    ///
    /// # Panics
    /// Where the slices do not fill the shape, or a group is no block.
    pub fn dequantized_transposed(&self) -> Vec<f32> {
        let Self { packing, rows, columns, block, .. } = *self;
        let blocks = columns.div_ceil(block);
        let row_bytes = blocks * packing.row_bytes(block);
        assert_eq!(self.bytes.len(), rows * row_bytes, "bytes");
        assert!(self.scales.len() == rows * blocks && self.zeros.len() == rows * blocks);
        let mut out = vec![0.0; rows * columns];
        for row in 0..rows {
            let bytes = &self.bytes[row * row_bytes..][..row_bytes];
            let (scales, zeros) =
                (&self.scales[row * blocks..][..blocks], &self.zeros[row * blocks..][..blocks]);
            let places = out[row..].iter_mut().step_by(rows);
            for (column, out) in places.enumerate() {
                let group = self.groups.map_or(column / block, |groups| groups[column]);
                *out = (f32::from(packing.get(bytes, column)) - zeros[group]) * scales[group];
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_is_in_the_lowest_bits() {
        let get = |bits, index| Packing::new(bits).unwrap().get(&[0xe4, 0x1b], index);
        assert_eq!([0, 1, 2, 3].map(|i| get(2, i)), [0, 1, 2, 3]);
        assert_eq!([0, 1, 2, 3].map(|i| get(4, i)), [4, 14, 11, 1]);
        assert_eq!([0, 1].map(|i| get(8, i)), [0xe4, 0x1b]);
        assert!(Packing::new(3).is_none() && Packing::new(-4).is_none());
    }

    #[test]
    fn each_block_of_a_row_has_its_scale_and_zero_point() {
        let weights = Weights {
            packing: Packing::new(4).unwrap(),
            bytes: &[0x21, 0x03, 0x54, 0x06],
            rows: 2,
            columns: 3,
            block: 2,
            scales: &[1.0, 10.0, 0.5, 2.0],
            zeros: &[0.0, 1.0, 2.0, 3.0],
            groups: None,
        };
        assert_eq!(weights.dequantized_transposed(), [1.0, 1.0, 2.0, 1.5, 20.0, 6.0]);
        let grouped = Weights { groups: Some(&[1, 0, 0]), ..weights };
        assert_eq!(grouped.dequantized_transposed(), [0.0, 2.0, 2.0, 1.5, 3.0, 2.0]);
    }
}
