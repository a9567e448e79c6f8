//! Blocks of elements along one axis, and what the block formats share: exponents, powers of two, rounding.

use rayon::prelude::*;

use crate::round::f32::{half_away, half_up};
use crate::vector::{Loop, widest};

/// Positions that are worked on side by side.
pub(crate) const LANES: usize = 64;

/// How a row-major tensor falls into blocks: `outer` × `len` × `inner` elements, each run of `size` along `len` a
/// block. The last block of a run may be shorter, as if zeros filled it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// The product of the dimensions before the axis.
    pub outer: usize,
    /// The dimension of the axis.
    pub len: usize,
    /// The product of the dimensions behind the axis.
    pub inner: usize,
    /// Elements of a block, at least 1.
    pub size: usize,
}

impl Blocks {
    /// The blocks of `size` elements along `axis` of a tensor of `shape`.
    pub fn along(shape: &[usize], axis: usize, size: usize) -> Self {
        assert!(axis < shape.len() && size > 0, "axis {axis} of {shape:?}, blocks of {size}");
        let (outer, inner) = (&shape[..axis], &shape[axis + 1..]);
        Self {
            outer: outer.iter().product(),
            len: shape[axis],
            inner: inner.iter().product(),
            size,
        }
    }

    /// Applies `format` to every block, in the widest vectors of the CPU, by several threads where there is enough to
    /// do.
    pub(crate) fn apply<F: BlockFormat>(self, data: &mut [f32], format: &F) {
        assert_eq!(data.len(), self.outer * self.len * self.inner);
        if data.is_empty() {
            return;
        }
        let run = self.len * self.inner;
        if data.len() <= PART {
            widest(Apply { blocks: self, data, format });
        } else if run <= PART {
            let runs = data.par_chunks_mut(PART / run * run);
            runs.for_each(|data| widest(Apply { blocks: self, data, format }));
        } else {
            // Parts of a run end where blocks do.
            let block = self.size.saturating_mul(self.inner).min(run);
            let part = block * (PART / block).max(1);
            data.par_chunks_mut(run).flat_map(|run| run.par_chunks_mut(part)).for_each(|data| {
                let blocks = Self { len: data.len() / self.inner, ..self };
                widest(Apply { blocks, data, format });
            });
        }
    }
}

/// Elements that one task rounds at least.
const PART: usize = 1 << 15;

/// What happens to blocks.
pub(crate) trait BlockFormat: Sync {
    /// Rounds the elements of up to [`LANES`] blocks. `#[inline(always)]`: see [`Loop`].
    fn strip(&self, strip: Strip<'_>);
}

struct Apply<'a, F> {
    blocks: Blocks,
    data: &'a mut [f32],
    format: &'a F,
}

impl<F: BlockFormat> Loop for Apply<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        if self.blocks.inner == 1 { self.contiguous() } else { self.side_by_side() }
    }
}

impl<F: BlockFormat> Apply<'_, F> {
    #[inline(always)]
    fn side_by_side(self) {
        let Blocks { len, inner, size, .. } = self.blocks;
        for run in self.data.chunks_exact_mut(len * inner) {
            for rows in run.chunks_mut(size.saturating_mul(inner)) {
                for first in (0..inner).step_by(LANES) {
                    let lanes = LANES.min(inner - first);
                    self.format.strip(Strip { data: &mut rows[first..], stride: inner, lanes });
                }
            }
        }
    }

    /// Blocks along the innermost axis are transposed into a buffer and back, so that a format meets one layout only.
    #[inline(always)]
    fn contiguous(self) {
        let Blocks { len, size, .. } = self.blocks;
        let rows = size.min(len);
        // A block as long as a whole tensor is not copied LANES times.
        let lanes = (LANES * LANES / rows).clamp(1, LANES);
        let mut buffer = vec![0.0; rows * lanes];
        let mut blocks: Vec<&mut [f32]> = Vec::with_capacity(lanes);
        let mut all = self.data.chunks_exact_mut(len).flat_map(|run| run.chunks_mut(rows));
        loop {
            blocks.clear();
            blocks.extend(all.by_ref().take(lanes));
            if blocks.is_empty() {
                return;
            }
            let side = blocks.len();
            gather(&blocks, &mut buffer[..rows * side]);
            let data = &mut buffer[..rows * side];
            self.format.strip(Strip { data, stride: side, lanes: side });
            scatter(&buffer, &mut blocks);
        }
    }
}

#[inline(always)]
fn gather(blocks: &[&mut [f32]], buffer: &mut [f32]) {
    let side = blocks.len();
    if blocks.iter().any(|block| block.len() * side < buffer.len()) {
        buffer.fill(0.0);
    }
    for (lane, block) in blocks.iter().enumerate() {
        for (row, to) in block.iter().zip(buffer.chunks_exact_mut(side)) {
            to[lane] = *row;
        }
    }
}

#[inline(always)]
fn scatter(buffer: &[f32], blocks: &mut [&mut [f32]]) {
    let side = blocks.len();
    for (lane, block) in blocks.iter_mut().enumerate() {
        for (to, row) in block.iter_mut().zip(buffer.chunks_exact(side)) {
            *to = row[lane];
        }
    }
}

/// Up to [`LANES`] blocks side by side: element `row` of block `lane` is `data[row · stride + lane]`.
pub(crate) struct Strip<'a> {
    data: &'a mut [f32],
    stride: usize,
    pub(crate) lanes: usize,
}

impl Strip<'_> {
    /// The elements of the blocks, one row after the other.
    #[inline(always)]
    pub(crate) fn rows(&mut self) -> impl Iterator<Item = &mut [f32]> {
        let lanes = self.lanes;
        self.data.chunks_mut(self.stride).map(move |row| &mut row[..lanes])
    }

    /// The same for [`LANES`] lanes: loops of a known length need no care for what is left over.
    #[inline(always)]
    fn whole_rows(&mut self) -> impl Iterator<Item = &mut [f32; LANES]> {
        self.data.chunks_mut(self.stride).filter_map(|row| row.first_chunk_mut())
    }

    /// Strips of `size` rows of this one: the sub-blocks.
    #[inline(always)]
    pub(crate) fn parts(&mut self, size: usize) -> impl Iterator<Item = Strip<'_>> {
        let (stride, lanes) = (self.stride, self.lanes);
        let rows = size.saturating_mul(stride);
        self.data.chunks_mut(rows).map(move |data| Strip { data, stride, lanes })
    }

    /// The largest exponent in each block.
    #[inline(always)]
    pub(crate) fn max_exponents(&mut self) -> [u32; LANES] {
        self.max_of(magnitude).map(|bits| bits >> 23)
    }

    /// The largest exponent in each block, those of infinities and NaN counted as 0, and whether there are none of
    /// those.
    #[inline(always)]
    pub(crate) fn max_finite_exponents(&mut self) -> ([u32; LANES], bool) {
        let exponents = self.max_exponents();
        if exponents.iter().fold(0, |max, &exponent| exponent.max(max)) < 0xff {
            return (exponents, true);
        }
        // One up and 255 becomes 0. With a condition instead, the compiler writes only where it holds, which is slow.
        let above = self.max_of(|x| (exponent(x) + 1) & 0xff);
        (above.map(|above| above.saturating_sub(1)), false)
    }

    #[inline(always)]
    fn max_of(&mut self, of: impl Fn(f32) -> u32) -> [u32; LANES] {
        let mut max = [0; LANES];
        if self.lanes == LANES {
            for row in self.whole_rows() {
                row.iter().zip(&mut max).for_each(|(&x, max)| *max = of(x).max(*max));
            }
        } else {
            for row in self.rows() {
                row.iter().zip(&mut max).for_each(|(&x, max)| *max = of(x).max(*max));
            }
        }
        max
    }

    /// Every element replaced by `f` of itself and what its block has in `a` and `b`.
    #[inline(always)]
    pub(crate) fn map<A: Copy, B: Copy>(
        &mut self,
        a: &[A; LANES],
        b: &[B; LANES],
        f: impl Fn(f32, A, B) -> f32,
    ) {
        if self.lanes == LANES {
            for row in self.whole_rows() {
                row.iter_mut().zip(a).zip(b).for_each(|((x, &a), &b)| *x = f(*x, a, b));
            }
            return;
        }
        for row in self.rows() {
            row.iter_mut().zip(a).zip(b).for_each(|((x, &a), &b)| *x = f(*x, a, b));
        }
    }
}

/// The bits but for the sign: they are in the order of the magnitudes.
#[inline(always)]
fn magnitude(x: f32) -> u32 {
    x.to_bits() & 0x7fff_ffff
}

/// The biased exponent: 0 for zeros and subnormal numbers, 255 for infinities and NaN.
#[inline(always)]
pub(crate) fn exponent(x: f32) -> u32 {
    (x.to_bits() >> 23) & 0xff
}

/// Whether `x` is neither infinite nor NaN.
#[inline(always)]
pub(crate) fn is_finite(x: f32) -> bool {
    x.abs() < f32::INFINITY
}

/// 2 to the power of `e`: exact from -149 to 127, infinite above, 0 below -149 (`e` at least -252).
#[inline(always)]
pub(crate) fn power_of_two(e: i32) -> f32 {
    // A normal number, and one that brings it down into the subnormal ones; their product is exact.
    let normal = ((e.clamp(-126, 128) + 127) as u32) << 23;
    let down = ((e + 126).min(0) + 127) as u32;
    f32::from_bits(normal) * f32::from_bits(down << 23)
}

/// `2^-e` for each lane, where all of them are numbers: multiplying is faster than dividing by `2^e`, and as exact.
#[inline(always)]
pub(crate) fn inverses(e: &[i32; LANES]) -> Option<[f32; LANES]> {
    let least = e.iter().fold(0, |least, &e| least.min(e));
    (least >= -127).then(|| e.map(|e| power_of_two(-e)))
}

/// How the block formats round to an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlockRound {
    /// Code 0: ties away from zero.
    HalfAway,
    /// Code 1: ties toward +∞.
    HalfUp,
    /// Code 2: ties to even. A negative number that rounds to zero gives +0, unlike with the other two rules.
    HalfEven,
}

impl BlockRound {
    /// The rule that Quark's attribute `rounding_mode` calls `code` (0 to 2).
    ///
    /// Source: `rounding_mode_enum` in `include/bfp/cpu/bfp_kernel.h` of amd-quark 0.13.
    pub fn from_code(code: i64) -> Option<Self> {
        [Self::HalfAway, Self::HalfUp, Self::HalfEven].get(usize::try_from(code).ok()?).copied()
    }
}

/// A rule of [`BlockRound`] as a type, so that a loop is compiled for each.
pub(crate) trait Rule: Copy + Sync {
    /// `x` rounded to an integer.
    fn round(x: f32) -> f32;
}

#[derive(Clone, Copy)]
pub(crate) struct HalfAway;
#[derive(Clone, Copy)]
pub(crate) struct HalfUp;
#[derive(Clone, Copy)]
pub(crate) struct HalfEven;

impl Rule for HalfAway {
    #[inline(always)]
    fn round(x: f32) -> f32 {
        half_away(x)
    }
}

impl Rule for HalfUp {
    #[inline(always)]
    fn round(x: f32) -> f32 {
        half_up(x)
    }
}

impl Rule for HalfEven {
    // `py3_round` of amd-quark 0.13 works upwards from `floor(x)`: -1 + 1 is +0, but floor(-0) is -0.
    #[inline(always)]
    fn round(x: f32) -> f32 {
        // One instruction in the wide form; the same number as `half_even` gives.
        let y = x.round_ties_even() + 0.0;
        if x == 0.0 { x } else { y }
    }
}

/// Evaluates `$body` with `$rule` bound to the type of a [`BlockRound`].
macro_rules! by_rule {
    ($round:expr, $rule:ident => $body:expr) => {
        match $round {
            $crate::blocks::BlockRound::HalfAway => {
                type $rule = $crate::blocks::HalfAway;
                $body
            }
            $crate::blocks::BlockRound::HalfUp => {
                type $rule = $crate::blocks::HalfUp;
                $body
            }
            $crate::blocks::BlockRound::HalfEven => {
                type $rule = $crate::blocks::HalfEven;
                $body
            }
        }
    };
}
pub(crate) use by_rule;

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn powers_of_two_are_exact_down_to_the_last_subnormal() {
        for e in -149..=127 {
            assert_eq!(power_of_two(e), (f64::from(e)).exp2() as f32, "2^{e}");
        }
        assert_eq!(power_of_two(128), f32::INFINITY);
        assert_eq!([power_of_two(-150), power_of_two(-252)], [0.0, 0.0]);
    }

    #[test]
    fn the_inverse_of_a_power_of_two_divides() {
        for e in -127..=127 {
            let inverse = inverses(&[e; LANES]).unwrap()[0];
            for i in 0..2000u32 {
                let x = f32::from_bits(i.wrapping_mul(0x9e37_79b9) & 0x7f7f_ffff);
                assert_eq!(
                    (x * inverse).to_bits(),
                    (x / power_of_two(e)).to_bits(),
                    "{x:e} / 2^{e}"
                );
            }
        }
        assert_eq!(inverses(&[-128; LANES]), None);
    }

    #[test]
    fn half_even_gives_a_positive_zero_for_negative_numbers_but_keeps_the_negative_zero() {
        assert_eq!(HalfEven::round(-0.25).to_bits(), 0);
        assert_eq!(HalfEven::round(-0.5).to_bits(), 0);
        assert_eq!(HalfEven::round(-0.0).to_bits(), (-0f32).to_bits());
        assert_eq!(HalfAway::round(-0.25).to_bits(), (-0f32).to_bits());
        assert_eq!(HalfUp::round(-0.5).to_bits(), (-0f32).to_bits());
    }

    struct Number(Mutex<f32>);

    impl BlockFormat for Number {
        fn strip(&self, mut strip: Strip<'_>) {
            let mut next = self.0.lock().unwrap();
            let first = *next;
            let names: [f32; LANES] = std::array::from_fn(|lane| first + lane as f32);
            strip.map(&names, &names, |_, name, _| name);
            *next = first + strip.lanes as f32;
        }
    }

    /// Which block each element is in, counted in the order in which they are visited.
    fn blocks_of(shape: &[usize], axis: usize, size: usize) -> Vec<f32> {
        let mut data = vec![-1.0; shape.iter().product()];
        Blocks::along(shape, axis, size).apply(&mut data, &Number(Mutex::new(0.0)));
        data
    }

    #[test]
    fn blocks_run_along_the_axis() {
        assert_eq!(blocks_of(&[5], 0, 2), [0., 0., 1., 1., 2.]);
        assert_eq!(blocks_of(&[2, 3], 1, 2), [0., 0., 1., 2., 2., 3.]);
        assert_eq!(blocks_of(&[3, 2], 0, 2), [0., 1., 0., 1., 2., 3.]);
        assert_eq!(blocks_of(&[2, 2, 2], 1, 8), [0., 1., 0., 1., 2., 3., 2., 3.]);
    }

    /// Every element becomes the largest exponent of its block.
    struct Largest;

    impl BlockFormat for Largest {
        fn strip(&self, mut strip: Strip<'_>) {
            let largest = strip.max_exponents();
            strip.map(&largest, &largest, |_, exponent, _| exponent as f32);
        }
    }

    #[test]
    fn parts_for_several_threads_give_what_one_gives() {
        for (shape, axis, size) in [
            (vec![3, 50_000], 1, 16),
            (vec![700, 100], 1, 8),
            (vec![300, 300], 0, 32),
            (vec![5, 33, 1000], 1, 8),
            (vec![100_000], 0, 7),
            (vec![2, 40_000], 1, usize::MAX),
        ] {
            let blocks = Blocks::along(&shape, axis, size);
            let number = |i: usize| f32::from_bits((i as u32).wrapping_mul(0x9e37_79b9) >> 1);
            let mut one: Vec<f32> = (0..shape.iter().product()).map(number).collect();
            let mut several = one.clone();
            widest(Apply { blocks, data: &mut one, format: &Largest });
            blocks.apply(&mut several, &Largest);
            assert!(one == several, "{shape:?} along {axis} by {size}");
        }
    }

    #[test]
    fn every_element_is_in_exactly_one_block_of_the_right_size() {
        for (shape, axis, size) in [
            (vec![3, 70, 5], 1, 8),
            (vec![2, 9, 200], 1, 4),
            (vec![7, 130], 1, 16),
            (vec![1000], 0, 7),
        ] {
            let names = blocks_of(&shape, axis, size);
            let blocks = Blocks::along(&shape, axis, size);
            for (i, &name) in names.iter().enumerate() {
                let place = i / blocks.inner % blocks.len;
                let first = i - place % size * blocks.inner;
                assert_eq!(name, names[first], "element {i} of {shape:?}");
            }
            let count = blocks.outer * blocks.inner * blocks.len.div_ceil(size);
            let last = names.iter().copied().fold(0.0, f32::max);
            assert_eq!(last, (count - 1) as f32, "{shape:?}");
        }
    }
}
