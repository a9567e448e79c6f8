//! The tile: 16 channels to a register, four bytes or two words to a lane.

#![allow(unsafe_code)]
#![allow(clippy::needless_range_loop)] // the loops run over registers

use std::arch::x86_64::*;

use super::finish::{Merged, finish, merged8};
use crate::kernel::finish::{LANES, Output};
use crate::kernel::kind::{CHECKED, DIVISION, by_merging_kind};
use crate::kernel::tile::{Target, Tile};
use crate::kernel::weights::Element;

/// Computes as many tiles as there are rows for.
///
/// # Safety
/// The CPU has what [`crate::kernel::Isa::Avx512`] names; the rows and the target are as [`Tile::scalar`] wants them, of all tiles.
pub(super) unsafe fn run(tile: &Tile, target: Target) {
    if tile.rows.is_empty() {
        return;
    }
    // SAFETY: as the caller promises.
    unsafe {
        match tile.element {
            Element::Byte => by_width::<false>(tile, target),
            Element::Word => by_width::<true>(tile, target),
        }
    }
}

/// Pixels that one pass over the weights serves, by vectors of channels: as many sums as registers hold.
pub(super) const fn pixels_of(vectors: usize) -> usize {
    match vectors {
        1 => 14,
        2 => 12,
        3 => 8,
        _ => 6,
    }
}

/// Pixels from which on the sums of so many vectors are made codes without leaving their registers: most tiles have them.
const fn whole(vectors: usize) -> usize {
    match vectors {
        4 => 5,
        _ => pixels_of(vectors),
    }
}

/// Writes each pixel of a tile, by `Merged::write`.
macro_rules! each_pixel {
    ($fixed:literal of $sums:ident, $merged:ident, $target:ident) => {
        each_pixel!(@ $fixed $sums $merged $target 0 1 2 3 4 5 6 7 8 9 10 11 12 13)
    };
    (@ $fixed:literal $sums:ident $merged:ident $target:ident $($m:literal)*) => {{$(
        if $m < PIXELS {
            $merged.write::<$fixed>($sums[$m], $target.start.add($m * $target.stride));
        }
    )*}};
}

unsafe fn by_width<const WORDS: bool>(tile: &Tile, target: Target) {
    macro_rules! by_pixels {
        ($vectors:literal: $($pixels:literal)*) => {
            match tile.pixels {
                $($pixels => unsafe { run_tiles::<$pixels, $vectors, WORDS>(tile, target) },)*
                _ => unreachable!("the caller makes tiles of at most `pixels_of(vectors)`"),
            }
        };
    }
    match target.channels.div_ceil(LANES) {
        1 => by_pixels!(1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        2 => by_pixels!(2: 1 2 3 4 5 6 7 8 9 10 11 12),
        3 => by_pixels!(3: 1 2 3 4 5 6 7 8),
        _ => by_pixels!(4: 1 2 3 4 5 6),
    }
}

/// # Safety
/// As [`run`]; the tiles have `PIXELS` pixels and the block `VECTORS` vectors.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
unsafe fn run_tiles<const PIXELS: usize, const VECTORS: usize, const WORDS: bool>(
    tile: &Tile,
    target: Target,
) {
    let mut target = target;
    for rows in tile.rows.chunks_exact(PIXELS * tile.taps) {
        // SAFETY: as the caller promises.
        unsafe { run_tile::<PIXELS, VECTORS, WORDS>(tile, rows, target) };
        target.start = target.start.wrapping_add(PIXELS * target.stride);
    }
}

/// # Safety
/// As [`run_tiles`], for one of them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
unsafe fn run_tile<const PIXELS: usize, const VECTORS: usize, const WORDS: bool>(
    tile: &Tile,
    rows: &[*const u8],
    target: Target,
) {
    let mut sums = [[_mm512_setzero_si512(); VECTORS]; PIXELS];
    assert!(tile.finish.add.len() >= VECTORS * LANES, "the parameters are padded by a block");
    for n in 0..VECTORS {
        // SAFETY: LANES elements.
        let add = unsafe { _mm512_loadu_si512(tile.finish.add.as_ptr().add(n * LANES).cast()) };
        for m in 0..PIXELS {
            sums[m][n] = add;
        }
    }
    let mut w = tile.weights.as_ptr();
    assert_eq!(rows.len(), PIXELS * tile.taps, "a row for each pixel and tap");
    // SAFETY: `rows` holds a pointer for each pixel and tap, each readable for 4 · steps bytes from the offset on; the
    // weights hold VECTORS vectors for each tap and step.
    unsafe {
        for tap in 0..tile.taps {
            let mut row = [std::ptr::null(); PIXELS];
            for m in 0..PIXELS {
                row[m] = rows.get_unchecked(m * tile.taps + tap).wrapping_add(tile.offset);
            }
            for step in 0..tile.steps {
                let mut weights = [_mm512_setzero_si512(); VECTORS];
                for n in 0..VECTORS {
                    weights[n] = _mm512_loadu_si512(w.add(64 * n).cast());
                }
                w = w.add(64 * VECTORS);
                for m in 0..PIXELS {
                    let x = row[m].add(4 * step).cast::<i32>().read_unaligned();
                    let x = _mm512_set1_epi32(x);
                    for n in 0..VECTORS {
                        sums[m][n] = match WORDS {
                            true => _mm512_dpwssd_epi32(sums[m][n], x, weights[n]),
                            false => _mm512_dpbusd_epi32(sums[m][n], x, weights[n]),
                        };
                    }
                }
            }
        }
    }
    // The sums are indexed by constants alone, so that they stay in registers until here.
    if let (Some(merged), Output::Codes8(narrow)) = (tile.finish.merged, tile.finish.output)
        && PIXELS >= whole(VECTORS)
    {
        by_merging_kind!(narrow, KIND => {
            let merged =
                Merged::<VECTORS, KIND>::new(&tile.finish, merged, &narrow, target.channels);
            // SAFETY: the target as the caller promises.
            unsafe {
                match KIND & DIVISION == CHECKED && tile.finish.fixed {
                    true => each_pixel!(true of sums, merged, target),
                    false => each_pixel!(false of sums, merged, target),
                }
            }
        });
        return;
    }
    let mut spilled = Spilled([0; 24 * LANES]);
    for n in 0..VECTORS {
        for m in 0..PIXELS {
            let at = spilled.0[(n * PIXELS + m) * LANES..][..LANES].as_mut_ptr();
            // SAFETY: LANES elements of room.
            unsafe { _mm512_storeu_si512(at.cast(), sums[m][n]) };
        }
    }
    let sums = &spilled.0[..VECTORS * PIXELS * LANES];
    // SAFETY: as the caller promises.
    unsafe {
        match (tile.finish.merged, tile.finish.output) {
            (Some(merged), Output::Codes8(narrow)) => {
                by_merging_kind!(narrow, KIND => merged8::<VECTORS, KIND>(
                    &tile.finish, merged, &narrow, target, PIXELS, sums,
                ));
            }
            _ => finish(&tile.finish, target, PIXELS, sums),
        }
    }
}

/// The sums of a tile, `[vectors, pixels, lanes]`; 14 pixels of one vector, 24 registers else.
#[repr(align(64))]
struct Spilled([i32; 24 * LANES]);
