use super::Subject;
use super::block::{BLOCK, Block, Special};
use super::channels::{ChannelSums, Layout};
use super::worst::{Candidate, Worst};
use crate::metrics::{Channels, Metrics, Range, Sides, Steps};

/// What is summed over a stretch of two tensors.
#[derive(Clone)]
pub(super) struct Sums {
    pub(super) elements: u64,
    pub(super) equal: u64,
    pub(super) beyond: u64,
    pub(super) one_sided: u64,
    finite: u64,
    zero_signs: u64,
    sign_flips: u64,
    abs: f64,
    square: f64,
    step_square: f64,
    got: f64,
    want: f64,
    got_square: f64,
    want_square: f64,
    product: f64,
    max_abs: f64,
    max_steps: f64,
    max_relative: f64,
    histogram: [u64; 9],
    saturated: Sides<u64>,
    nan: Sides<u64>,
    infinite: Sides<u64>,
    range: Sides<Range>,
    worst: Worst,
    channels: ChannelSums,
}

/// Σ f over a block; eight sums side by side, so that the loop vectorises.
fn sum(a: &[f64; BLOCK], b: &[f64; BLOCK], f: impl Fn(f64, f64) -> f64) -> f64 {
    let mut lanes = [0.0; 8];
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        (0..8).for_each(|i| lanes[i] += f(a[i], b[i]));
    }
    lanes.iter().sum()
}

/// The largest f over a block.
fn largest(a: &[f64; BLOCK], b: &[f64; BLOCK], f: impl Fn(f64, f64) -> f64) -> f64 {
    let mut lanes = [0f64; 8];
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        (0..8).for_each(|i| lanes[i] = lanes[i].max(f(a[i], b[i])));
    }
    lanes.into_iter().fold(0.0, f64::max)
}

fn count(a: &[f64; BLOCK], b: &[f64; BLOCK], f: impl Fn(f64, f64) -> bool) -> u64 {
    sum(a, b, |a, b| f64::from(u8::from(f(a, b)))) as u64
}

impl Sums {
    pub(super) fn new() -> Self {
        Self {
            elements: 0,
            equal: 0,
            beyond: 0,
            one_sided: 0,
            finite: 0,
            zero_signs: 0,
            sign_flips: 0,
            abs: 0.0,
            square: 0.0,
            step_square: 0.0,
            got: 0.0,
            want: 0.0,
            got_square: 0.0,
            want_square: 0.0,
            product: 0.0,
            max_abs: 0.0,
            max_steps: 0.0,
            max_relative: 0.0,
            histogram: [0; 9],
            saturated: Sides::default(),
            nan: Sides::default(),
            infinite: Sides::default(),
            range: Sides { got: Range::EMPTY, want: Range::EMPTY },
            worst: Worst::default(),
            channels: ChannelSums::default(),
        }
    }

    pub(super) fn add(&mut self, block: &Block, subject: &Subject, layout: &Layout) {
        let finite = (block.len - block.special.len()) as u64;
        self.elements += block.len as u64;
        self.finite += finite;
        let differing =
            if block.differs { count(&block.delta, &block.delta, |d, _| d != 0.0) } else { 0 };
        self.equal += finite - differing;
        block.special.iter().for_each(|pair| self.add_special(pair, block, layout));
        self.add_levels(block);
        self.add_saturation(block);
        if block.differs {
            self.add_differences(block, subject);
            self.add_places(block, layout);
        }
    }

    /// What describes the two sides by themselves.
    fn add_levels(&mut self, block: &Block) {
        let (got, want) = (&block.got, &block.want);
        let (sum_want, want_square) = (sum(want, want, |x, _| x), sum(want, want, |x, _| x * x));
        self.want += sum_want;
        self.want_square += want_square;
        self.range.want = self.range.want.with(range(block, want));
        if block.differs {
            self.got += sum(got, got, |x, _| x);
            self.got_square += sum(got, got, |x, _| x * x);
            self.product += sum(got, want, |a, b| a * b);
            self.range.got = self.range.got.with(range(block, got));
        } else {
            self.got += sum_want;
            self.got_square += want_square;
            self.product += want_square;
            self.range.got = self.range.got.with(range(block, want));
        }
        // Without a difference in value there may be one in bits.
        self.zero_signs += count(got, want, |a, b| {
            (a == 0.0) & (b == 0.0) & (a.is_sign_negative() != b.is_sign_negative())
        });
    }

    fn add_saturation(&mut self, block: &Block) {
        let Some(scale) = block.scale.as_ref().filter(|scale| scale.has_range) else { return };
        let saturated = |side: &[f64; BLOCK]| {
            // Padding and values set aside are zeros, which an unsigned range has at its end.
            let at = |i: usize| side[i] <= scale.low[i] || side[i] >= scale.high[i];
            let all = (0..block.len).filter(|&i| at(i)).count();
            (all - block.special.iter().filter(|special| at(special.place)).count()) as u64
        };
        self.saturated.got += saturated(&block.got);
        self.saturated.want += saturated(&block.want);
    }

    /// Sums over the differences.
    fn add_differences(&mut self, block: &Block, subject: &Subject) {
        let (delta, want) = (&block.delta, &block.want);
        self.abs += sum(delta, delta, |d, _| d.abs());
        self.square += sum(delta, delta, |d, _| d * d);
        self.max_abs = self.max_abs.max(largest(delta, delta, |d, _| d.abs()));
        let relative = |d: f64, w: f64| if w == 0.0 { 0.0 } else { (d / w).abs() };
        self.max_relative = self.max_relative.max(largest(delta, want, relative));
        self.sign_flips += count(&block.got, want, |a, b| a * b < 0.0);
        let step = block.scale.as_ref().map(|scale| &scale.step);
        self.beyond += subject.elements.beyond(&delta[..], &want[..], step.map(|step| &step[..]));
        if let Some(step) = step {
            self.step_square += sum(delta, step, |d, s| (d / s) * (d / s));
            self.max_steps = self.max_steps.max(largest(delta, step, |d, s| (d / s).abs()));
        }
    }

    /// What needs the place of each difference.
    fn add_places(&mut self, block: &Block, layout: &Layout) {
        for i in 0..block.len {
            let delta = block.delta[i];
            if delta == 0.0 {
                continue;
            }
            let steps = block.scale.as_ref().map_or(0.0, |scale| delta / scale.step[i]);
            if block.scale.is_some() {
                self.histogram[bin(steps)] += 1;
            }
            let size = if block.scale.is_some() { steps.abs() } else { delta.abs() };
            let index = block.start + i;
            self.channels.add(layout.channel(index), layout.count, delta.abs(), steps.abs());
            self.worst.add(Candidate { index, size, got: block.got[i], want: block.want[i] });
        }
    }

    fn add_special(&mut self, pair: &Special, block: &Block, layout: &Layout) {
        let &Special { place, got, want } = pair;
        self.nan.got += u64::from(got.is_nan());
        self.nan.want += u64::from(want.is_nan());
        self.infinite.got += u64::from(got.is_infinite());
        self.infinite.want += u64::from(want.is_infinite());
        if pair.equal() {
            self.equal += 1;
            return;
        }
        self.one_sided += 1;
        self.beyond += 1;
        let index = block.start + place;
        self.channels.add(layout.channel(index), layout.count, f64::INFINITY, f64::INFINITY);
        self.worst.add(Candidate { index, size: f64::INFINITY, got, want });
    }

    pub(super) fn merge(self, other: Self) -> Self {
        let sides =
            |a: Sides<u64>, b: Sides<u64>| Sides { got: a.got + b.got, want: a.want + b.want };
        Self {
            elements: self.elements + other.elements,
            equal: self.equal + other.equal,
            beyond: self.beyond + other.beyond,
            one_sided: self.one_sided + other.one_sided,
            finite: self.finite + other.finite,
            zero_signs: self.zero_signs + other.zero_signs,
            sign_flips: self.sign_flips + other.sign_flips,
            abs: self.abs + other.abs,
            square: self.square + other.square,
            step_square: self.step_square + other.step_square,
            got: self.got + other.got,
            want: self.want + other.want,
            got_square: self.got_square + other.got_square,
            want_square: self.want_square + other.want_square,
            product: self.product + other.product,
            max_abs: self.max_abs.max(other.max_abs),
            max_steps: self.max_steps.max(other.max_steps),
            max_relative: self.max_relative.max(other.max_relative),
            histogram: std::array::from_fn(|i| self.histogram[i] + other.histogram[i]),
            saturated: sides(self.saturated, other.saturated),
            nan: sides(self.nan, other.nan),
            infinite: sides(self.infinite, other.infinite),
            range: Sides {
                got: self.range.got.with(other.range.got),
                want: self.range.want.with(other.range.want),
            },
            worst: self.worst.merge(other.worst),
            channels: self.channels.merge(other.channels),
        }
    }

    pub(super) fn finish(mut self, shape: &[usize], layout: &Layout, subject: &Subject) -> Metrics {
        let scale = super::steps::Scale::of(subject);
        let n = self.finite.max(1) as f64;
        self.histogram[4] += self.equal;
        let steps = scale.as_ref().map(|_| Steps {
            max: self.max_steps,
            rmse: (self.step_square / n).sqrt(),
            histogram: self.histogram,
        });
        let channels =
            (!self.channels.differing.is_empty()).then_some(()).and(layout.axis).map(|axis| {
                Channels {
                    axis,
                    worst: self.channels.worst(),
                    differing: self.channels.differing.clone(),
                    max_abs: self.channels.max_abs.clone(),
                }
            });
        let has_range = scale.is_some_and(|scale| scale.has_range);
        Metrics {
            steps,
            saturated: has_range.then_some(self.saturated),
            worst: self.worst.elements(shape),
            channels,
            ..self.texts()
        }
    }

    /// What needs neither steps nor places.
    pub(super) fn texts(&self) -> Metrics {
        let n = self.finite.max(1) as f64;
        let peak = self.range.want.min.abs().max(self.range.want.max.abs());
        let peak = if peak.is_finite() { peak } else { 0.0 };
        Metrics {
            elements: self.elements,
            equal: self.equal,
            zero_signs: self.zero_signs,
            beyond: self.beyond,
            one_sided: self.one_sided,
            max_abs: self.max_abs,
            mean_abs: self.abs / n,
            max_relative: self.max_relative,
            rmse: (self.square / n).sqrt(),
            steps: None,
            sqnr_db: decibel(self.want_square, self.square),
            psnr_db: decibel(peak * peak, self.square / n),
            cosine: self.cosine(),
            pearson: self.pearson(),
            sign_flips: self.sign_flips,
            saturated: None,
            nan: self.nan,
            infinite: self.infinite,
            range: self.range,
            classes: None,
            worst: Vec::new(),
            channels: None,
        }
    }

    fn cosine(&self) -> f64 {
        let norms = self.got_square.sqrt() * self.want_square.sqrt();
        match (self.square == 0.0, norms == 0.0) {
            (true, _) => 1.0,
            (false, true) => 0.0,
            (false, false) => (self.product / norms).clamp(-1.0, 1.0),
        }
    }

    fn pearson(&self) -> Option<f64> {
        if self.square == 0.0 {
            return Some(1.0);
        }
        let n = self.finite.max(1) as f64;
        let variance = |square: f64, sum: f64| (square - sum * sum / n).max(0.0);
        let spread = variance(self.got_square, self.got).sqrt()
            * variance(self.want_square, self.want).sqrt();
        let covariance = self.product - self.got * self.want / n;
        (spread > 0.0).then(|| (covariance / spread).clamp(-1.0, 1.0))
    }
}

fn decibel(signal: f64, noise: f64) -> f64 {
    if noise == 0.0 { f64::INFINITY } else { 10.0 * (signal / noise).log10() }
}

fn bin(steps: f64) -> usize {
    (steps.round().clamp(-4.0, 4.0) + 4.0) as usize
}

/// The least and the greatest number, without what was set aside.
fn range(block: &Block, side: &[f64; BLOCK]) -> Range {
    if !block.special.is_empty() {
        let aside = |i: &usize| block.special.binary_search_by_key(i, |pair| pair.place).is_ok();
        let numbers = (0..block.len).filter(|i| !aside(i)).map(|i| side[i]);
        return numbers.fold(Range::EMPTY, |range, x| range.with(Range { min: x, max: x }));
    }
    let (mut low, mut high) = ([f64::INFINITY; 8], [f64::NEG_INFINITY; 8]);
    let chunks = side[..block.len].chunks_exact(8);
    let rest = chunks.remainder();
    for chunk in chunks {
        (0..8).for_each(|i| low[i] = if chunk[i] < low[i] { chunk[i] } else { low[i] });
        (0..8).for_each(|i| high[i] = if chunk[i] > high[i] { chunk[i] } else { high[i] });
    }
    let min = low.iter().chain(rest).copied().fold(f64::INFINITY, f64::min);
    let max = high.iter().chain(rest).copied().fold(f64::NEG_INFINITY, f64::max);
    Range { min, max }
}
