use super::finish::LANES;
use super::isa::Isa;
use crate::vector::{Loop, widest};

/// The width of the codes of x that weights are packed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// x is stored as `u8`, weights are packed as `i8`: four terms to a lane.
    Byte,
    /// x is stored as `i16`, weights are packed as `i16`: two terms to a lane.
    Word,
}

impl Element {
    /// Bytes of a stored code of x.
    pub fn bytes(self) -> usize {
        match self {
            Self::Byte => 1,
            Self::Word => 2,
        }
    }

    /// Whether a stored code may be that number.
    pub fn holds(self, code: i32) -> bool {
        match self {
            Self::Byte => u8::try_from(code).is_ok(),
            Self::Word => i16::try_from(code).is_ok(),
        }
    }

    /// A stored code, so often, as bytes.
    pub(super) fn repeated(self, code: i32, count: usize) -> Vec<u8> {
        match self {
            Self::Byte => vec![code as u8; count],
            Self::Word => (code as i16).to_le_bytes().repeat(count),
        }
    }

    /// The largest magnitude of a stored code.
    pub(super) fn largest(self) -> i64 {
        match self {
            Self::Byte => 255,
            Self::Word => 32768,
        }
    }

    /// Terms of one lane of 4 bytes.
    pub(super) fn terms(self) -> usize {
        4 / self.bytes()
    }
}

/// Output channels of a block of packed weights.
pub(super) const BLOCK: usize = 4 * LANES;

/// Weights `[out_channels, taps, channels]` of one group, less their zero points, packed for the kernels.
///
/// Blocks of `BLOCK` output channels (the last one of as many vectors as it needs); in each block
/// `[tap, step, channel of the block, term]`, where a step is 4 bytes of x.
#[derive(Clone, Debug)]
pub struct Weights {
    pub(super) element: Element,
    pub(super) out_channels: usize,
    pub(super) taps: usize,
    /// Channels of x.
    pub(super) channels: usize,
    pub(super) steps: usize,
    pub(super) packed: Vec<i8>,
    /// What the packed weights lack: output channel, term, and the rest.
    rests: Vec<(usize, usize, i8)>,
    sums: Vec<i64>,
    magnitudes: Vec<i64>,
}

impl Weights {
    /// Packs `w`, `[out_channels, taps, channels]`; `None` where a weight does not fit the packed type.
    pub fn new(
        element: Element,
        out_channels: usize,
        taps: usize,
        channels: usize,
        w: &[i16],
    ) -> Option<Self> {
        assert_eq!(w.len(), out_channels * taps * channels, "the weights fill their shape");
        let fits = element == Element::Word || widest(AreBytes(w));
        fits.then(|| Self::fitting(element, [out_channels, taps, channels], w, w))
    }

    /// For x of bytes and weights beyond i8, as far as two of them reach; only for instruction sets that
    /// [`Weights::are_split_by`]. `None` where one is farther away, or so many are beyond that words are as good.
    pub fn of_two(out_channels: usize, taps: usize, channels: usize, w: &[i16]) -> Option<Self> {
        assert_eq!(w.len(), out_channels * taps * channels, "the weights fill their shape");
        let first: Vec<i16> = w.iter().map(|w| (*w).clamp(-128, 127)).collect();
        let beyond = w.iter().zip(&first).filter(|(w, first)| w != first).count();
        if beyond > w.len() / 8 + 16 {
            return None;
        }
        let mut rests = vec![];
        for (i, (w, first)) in w.iter().zip(&first).enumerate().filter(|(_, (a, b))| a != b) {
            let (terms, rest) = (taps * channels, i8::try_from(w - first).ok()?);
            rests.push((i / terms, i % terms, rest));
        }
        let sizes = [out_channels, taps, channels];
        Some(Self { rests, ..Self::fitting(Element::Byte, sizes, &first, w) })
    }

    /// The width of the codes of x.
    pub fn element(&self) -> Element {
        self.element
    }

    /// Whether a weight may be two of 8 bits at one place.
    pub fn are_split_by(isa: Isa) -> bool {
        isa == Isa::Avx2
    }

    /// `packed` fits the packed type; the sums are those of `w`.
    fn fitting(
        element: Element,
        [out_channels, taps, channels]: [usize; 3],
        packed: &[i16],
        w: &[i16],
    ) -> Self {
        let steps = channels.div_ceil(element.terms());
        let packed = pack(element, out_channels, taps, channels, packed);
        let terms = (taps * channels).max(1);
        let (mut sums, mut magnitudes) = (vec![0; out_channels], vec![0; out_channels]);
        let both = sums.iter_mut().zip(&mut magnitudes);
        for ((sum, magnitude), w) in both.zip(w.chunks_exact(terms)) {
            (*sum, *magnitude) = widest(Sums(w));
        }
        let rests = vec![];
        Self { element, out_channels, taps, channels, steps, packed, rests, sums, magnitudes }
    }

    /// The rests of the weights of [`LANES`] output channels from `first` on and of the terms from `at` on: channel, term
    /// and weight.
    pub(super) fn rests(
        &self,
        first: usize,
        at: usize,
        terms: usize,
    ) -> impl Iterator<Item = (usize, usize, i8)> {
        // They are in the order of the output channels.
        let before = |o: usize| self.rests.partition_point(|rest| rest.0 < o);
        let rests = self.rests[before(first)..before(first + LANES)].iter();
        let inside = move |&&(_, term, _): &&(usize, usize, i8)| (at..at + terms).contains(&term);
        rests.filter(inside).map(move |&(o, term, w)| (o - first, term - at, w))
    }

    /// Whether a weight is two of 8 bits.
    pub(super) fn has_rests(&self) -> bool {
        !self.rests.is_empty()
    }

    /// The weight of an output channel and a term (`tap · channels + channel`); 0 past the last output channel.
    #[inline]
    pub(super) fn get(&self, out_channel: usize, term: usize) -> i32 {
        if out_channel >= self.out_channels {
            return 0;
        }
        let (tap, c) = (term / self.channels, term % self.channels);
        let (first, terms) = (out_channel / BLOCK * BLOCK, self.element.terms());
        let block = self.block(first);
        let width = self.width(first);
        let step = (tap * self.steps + c / terms) * width + out_channel - first;
        let at = 4 * step + c % terms * self.element.bytes();
        match self.element {
            Element::Byte => block[at].into(),
            Element::Word => i16::from_le_bytes([block[at] as u8, block[at + 1] as u8]).into(),
        }
    }

    /// A step of a tap: four bytes for each of [`LANES`] output channels from `first` on, a multiple of them.
    pub(super) fn step(&self, first: usize, tap: usize, step: usize) -> [[i8; 4]; LANES] {
        let block = first / BLOCK * BLOCK;
        let at = (tap * self.steps + step) * self.width(block) + first - block;
        let mut weights = [[0; 4]; LANES];
        let packed = &self.block(block)[4 * at..][..4 * LANES];
        weights.as_flattened_mut().copy_from_slice(packed);
        weights
    }

    /// The same with the taps of so many lines as one: its channels are those of the taps, one after the other.
    pub(super) fn in_lines(self, lines: usize) -> Self {
        let (terms, channels) = (self.element.terms(), self.taps / lines * self.channels);
        let packed = match lines == self.taps || self.channels.is_multiple_of(terms) {
            true => self.packed,
            false => {
                let of_channel = |o| (0..self.taps * self.channels).map(move |term| (o, term));
                let all = (0..self.out_channels).flat_map(of_channel);
                let w: Vec<_> = all.map(|(o, term)| self.get(o, term) as i16).collect();
                pack(self.element, self.out_channels, lines, channels, &w)
            }
        };
        let steps = channels.div_ceil(terms);
        Self { taps: lines, channels, steps, packed, ..self }
    }

    /// What is left where a kernel has the packed weights in another order.
    pub(super) fn emptied(&self) -> Self {
        let (sums, magnitudes) = (self.sums.clone(), self.magnitudes.clone());
        Self { packed: vec![], rests: vec![], sums, magnitudes, ..*self }
    }

    /// The sum of the weights of each output channel.
    pub fn sums(&self) -> &[i64] {
        &self.sums
    }

    /// The sum of the magnitudes of the weights of each output channel.
    pub fn magnitudes(&self) -> &[i64] {
        &self.magnitudes
    }

    /// What to add to the sum of each output channel so that it is `Σ (x - zero) · w + bias`; `None` where a sum, or a
    /// part of it, might not fit `i32`.
    pub fn corrections(&self, zero: i32, bias: &[i64]) -> Option<Vec<i32>> {
        assert_eq!(bias.len(), self.out_channels, "one bias for each channel");
        let largest = self.element.largest();
        let add = |((&sum, &magnitude), &bias): ((&i64, &i64), &i64)| {
            let add = bias.checked_sub(i64::from(zero).checked_mul(sum)?)?;
            let bound = magnitude.checked_mul(largest)?.checked_add(add.checked_abs()?)?;
            (bound <= i32::MAX.into()).then_some(add as i32)
        };
        self.sums.iter().zip(&self.magnitudes).zip(bias).map(add).collect()
    }

    /// As [`Weights::corrections`], where no code is farther from `zero` than `reach`: parts of a sum may wrap around, the
    /// sum itself fits.
    pub fn corrections_within(&self, zero: i32, bias: &[i64], reach: i64) -> Option<Vec<i32>> {
        assert_eq!(bias.len(), self.out_channels, "one bias for each channel");
        let add = |((&sum, &magnitude), &bias): ((&i64, &i64), &i64)| {
            let bound = magnitude.checked_mul(reach)?.checked_add(bias.checked_abs()?)?;
            let add = bias.wrapping_sub(i64::from(zero).wrapping_mul(sum));
            (bound <= i32::MAX.into()).then_some(add as i32)
        };
        self.sums.iter().zip(&self.magnitudes).zip(bias).map(add).collect()
    }

    /// The packed block that starts with output channel `first`.
    pub(super) fn block(&self, first: usize) -> &[i8] {
        let bytes = self.taps * self.steps * 4;
        &self.packed[first * bytes..][..self.width(first) * bytes]
    }

    /// Output channels of that block, unused ones included.
    fn width(&self, first: usize) -> usize {
        (self.out_channels.div_ceil(LANES) * LANES - first).min(BLOCK)
    }
}

/// Whether all weights fit `i8`.
struct AreBytes<'a>(&'a [i16]);

impl Loop for AreBytes<'_> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let ends = |(low, high): (i16, i16), &w: &i16| (low.min(w), high.max(w));
        let (low, high) = self.0.iter().fold((0, 0), ends);
        i8::try_from(low).is_ok() && i8::try_from(high).is_ok()
    }
}

/// The sum of some weights, and that of their magnitudes.
struct Sums<'a>(&'a [i16]);

impl Loop for Sums<'_> {
    type Output = (i64, i64);

    #[inline(always)]
    fn run(self) -> (i64, i64) {
        // So many stay within 32 bits.
        let part = |w: &[i16]| {
            let add = |(sum, magnitude): (i32, i32), &w: &i16| {
                (sum + i32::from(w), magnitude + i32::from(w).abs())
            };
            w.iter().fold((0, 0), add)
        };
        let parts = self.0.chunks(1 << 14).map(part);
        parts.fold((0, 0), |(sum, magnitude), part| {
            (sum + i64::from(part.0), magnitude + i64::from(part.1))
        })
    }
}

fn pack(element: Element, out_channels: usize, taps: usize, channels: usize, w: &[i16]) -> Vec<i8> {
    let steps = channels.div_ceil(element.terms());
    let width = out_channels.div_ceil(LANES) * LANES;
    let mut packed = vec![0; width * taps * steps * 4];
    for (o, w) in w.chunks_exact((taps * channels).max(1)).enumerate() {
        let first = o / BLOCK * BLOCK;
        let in_block = (width - first).min(BLOCK);
        for (tap, w) in w.chunks_exact(channels).enumerate() {
            let at = first * taps * steps + tap * steps * in_block + o - first;
            let places = packed[4 * at..].chunks_mut(4 * in_block);
            match element {
                Element::Byte => {
                    let (whole, rest) = w.as_chunks::<4>();
                    let mut places = places;
                    for (w, to) in whole.iter().zip(places.by_ref()) {
                        to[..4].copy_from_slice(&w.map(|w| w as i8));
                    }
                    if let Some(to) = places.next().filter(|_| !rest.is_empty()) {
                        to.iter_mut().zip(rest).for_each(|(to, &w)| *to = w as i8);
                    }
                }
                Element::Word => places.zip(w.chunks(2)).for_each(|(to, w)| {
                    to.chunks_exact_mut(2).zip(w).for_each(|(to, &w)| {
                        to.copy_from_slice(&w.to_le_bytes().map(|byte| byte as i8));
                    });
                }),
            }
        }
    }
    packed
}
