use vairun_tensor::Tensor;

use super::channels::Layout;
use super::steps::Scale;
use super::{Subject, lanes};

/// Elements of a block: what is held of them fits the second cache.
pub(super) const BLOCK: usize = 1024;

/// A stretch of both tensors as f64, padded with equal zeros.
pub(super) struct Block {
    pub(super) start: usize,
    pub(super) len: usize,
    pub(super) got: Box<[f64; BLOCK]>,
    pub(super) want: Box<[f64; BLOCK]>,
    /// got - want
    pub(super) delta: Box<[f64; BLOCK]>,
    /// What the quantizer says of each element.
    pub(super) scale: Option<Scale>,
    /// Whether any pair differs.
    pub(super) differs: bool,
    /// Pairs in which a side is not finite; their places in the arrays hold zeros.
    pub(super) special: Vec<Special>,
}

/// A pair in which a side is not finite.
#[derive(Clone, Copy)]
pub(super) struct Special {
    pub(super) place: usize,
    pub(super) got: f64,
    pub(super) want: f64,
}

impl Special {
    pub(super) fn equal(&self) -> bool {
        self.got == self.want || (self.got.is_nan() && self.want.is_nan())
    }
}

fn zeros() -> Box<[f64; BLOCK]> {
    Box::new([0.0; BLOCK])
}

impl Block {
    pub(super) fn new(subject: &Subject) -> Self {
        Self {
            start: 0,
            len: 0,
            got: zeros(),
            want: zeros(),
            delta: zeros(),
            scale: Scale::of(subject),
            differs: false,
            special: Vec::new(),
        }
    }

    /// Holds `len` elements from `start` on.
    pub(super) fn load(
        &mut self,
        got: &Tensor,
        want: &Tensor,
        start: usize,
        len: usize,
        layout: &Layout,
    ) {
        (self.start, self.len) = (start, len);
        self.special.clear();
        lanes::fill(want, start, &mut self.want[..len]).expect("texts are compared elsewhere");
        let same = same_bytes(got, want, start, len);
        if same {
            *self.got = *self.want;
            self.delta.fill(0.0);
        } else {
            lanes::fill(got, start, &mut self.got[..len]).expect("texts are compared elsewhere");
            let sides = (&self.got[..len], &self.want[..len]);
            lanes::delta((got, want), start, sides, &mut self.delta[..len]);
        }
        self.pad();
        self.set_special_aside();
        self.differs = !same && self.delta.iter().any(|delta| *delta != 0.0);
        if let Some(scale) = &mut self.scale {
            scale.load(start, len, layout);
        }
    }

    fn pad(&mut self) {
        for array in [&mut self.got, &mut self.want, &mut self.delta] {
            array[self.len..].fill(0.0);
        }
    }

    fn set_special_aside(&mut self) {
        let finite = |array: &[f64; BLOCK]| array.iter().all(|x| x.abs() < f64::INFINITY);
        if finite(&self.got) && finite(&self.want) {
            return;
        }
        for place in 0..self.len {
            let (got, want) = (self.got[place], self.want[place]);
            if !got.is_finite() || !want.is_finite() {
                self.special.push(Special { place, got, want });
                (self.got[place], self.want[place], self.delta[place]) = (0.0, 0.0, 0.0);
            }
        }
    }
}

/// Whether the bytes are the same; `false` where that cannot be told.
fn same_bytes(got: &Tensor, want: &Tensor, start: usize, len: usize) -> bool {
    if got.dtype() != want.dtype() {
        return false;
    }
    let (Some(got), Some(want), Some(size)) =
        (got.as_bytes(), want.as_bytes(), got.dtype().carrier().bytes())
    else {
        return false;
    };
    let range = start * size..(start + len) * size;
    got[range.clone()] == want[range]
}
