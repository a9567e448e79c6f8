//! Tables of bytes.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

/// `out[i] = table[x[i]]`.
pub(in crate::kernel) fn map_bytes(table: &[u8; 256], x: &[u8], out: &mut [u8]) {
    assert_eq!(x.len(), out.len());
    // SAFETY: whoever chooses the instruction set has asked the CPU, VBMI included.
    unsafe { permuted(table, x, out) };
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn permuted(table: &[u8; 256], x: &[u8], out: &mut [u8]) {
    // SAFETY: 64 bytes each.
    let part = |i: usize| unsafe { _mm512_loadu_si512(table[64 * i..][..64].as_ptr().cast()) };
    let parts = [part(0), part(1), part(2), part(3)];
    for (out, x) in out.chunks_mut(64).zip(x.chunks(64)) {
        let mask = u64::MAX >> (64 - x.len());
        // SAFETY: the mask names the bytes of the chunk.
        unsafe {
            let codes = _mm512_maskz_loadu_epi8(mask, x.as_ptr().cast());
            let lower = _mm512_permutex2var_epi8(parts[0], codes, parts[1]);
            let upper = _mm512_permutex2var_epi8(parts[2], codes, parts[3]);
            let values = _mm512_mask_blend_epi8(_mm512_movepi8_mask(codes), lower, upper);
            _mm512_mask_storeu_epi8(out.as_mut_ptr().cast(), mask, values);
        }
    }
}
