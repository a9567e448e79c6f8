//! Elements of 4 and 2 bits, packed in bytes from the lowest bits up, as `TensorProto` stores them.

use vairun_tensor::DType;

/// Bytes that `count` elements of a type with `bits` take; `None` where it is too many.
pub(crate) fn byte_count(bits: usize, count: usize) -> Option<usize> {
    count.checked_mul(bits).map(|total| total.div_ceil(8))
}

/// The codes of the first `count` elements of a type with `bits` (2 or 4), not sign-extended.
///
/// `bytes` holds [`byte_count`] bytes.
pub(crate) fn unpack(bits: usize, count: usize, bytes: &[u8]) -> Vec<u8> {
    let (per_byte, mask) = (8 / bits, (1u8 << bits) - 1);
    let codes = bytes.iter().flat_map(|byte| (0..per_byte).map(move |i| byte >> (i * bits) & mask));
    codes.take(count).collect()
}

/// The inverse of [`unpack`]; bits above the type's are ignored, the last byte is filled with zeros.
pub(crate) fn pack(bits: usize, codes: impl ExactSizeIterator<Item = u8>) -> Vec<u8> {
    let (per_byte, mask) = (8 / bits, (1u8 << bits) - 1);
    let mut bytes = vec![0u8; codes.len().div_ceil(per_byte)];
    for (i, code) in codes.enumerate() {
        bytes[i / per_byte] |= (code & mask) << (i % per_byte * bits);
    }
    bytes
}

/// The value of a two's-complement code of `bits`.
pub(crate) fn sign_extend(bits: usize, code: u8) -> i8 {
    ((code << (8 - bits)) as i8) >> (8 - bits)
}

/// The bits of one element where several share a byte.
pub(crate) fn packed_bits(dtype: DType) -> Option<usize> {
    dtype.bits().filter(|&bits| bits < 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_element_is_in_the_lowest_bits() {
        assert_eq!(unpack(4, 3, &[0x21, 0x43]), [1, 2, 3]);
        assert_eq!(unpack(2, 5, &[0b11_10_01_00, 0b01]), [0, 1, 2, 3, 1]);
    }

    #[test]
    fn codes_are_two_s_complement() {
        assert_eq!((0..16).map(|code| sign_extend(4, code)).min(), Some(-8));
        assert_eq!(sign_extend(4, 0xf), -1);
        assert_eq!([0, 1, 2, 3].map(|code| sign_extend(2, code)), [0, 1, -2, -1]);
    }

    #[test]
    fn packing_reads_back() {
        let codes: Vec<u8> = (0..15).collect();
        assert_eq!(unpack(4, 15, &pack(4, codes.iter().copied())), codes);
        assert_eq!(pack(4, [-8i8 as u8, 7].into_iter()), [0x78]);
        assert_eq!(byte_count(2, 5), Some(2));
        assert_eq!(byte_count(4, usize::MAX), None);
    }
}
