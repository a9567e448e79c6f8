use super::Subject;
use super::block::BLOCK;
use super::channels::Layout;
use crate::quantizer::{Kind, Quantizer};

/// One step and the ends of the range, for each element of a block.
pub(super) struct Scale {
    parameters: Vec<Parameters>,
    loaded: bool,
    pub(super) step: Box<[f64; BLOCK]>,
    pub(super) low: Box<[f64; BLOCK]>,
    pub(super) high: Box<[f64; BLOCK]>,
    pub(super) has_range: bool,
}

#[derive(Clone, Copy)]
struct Parameters {
    step: f64,
    low: f64,
    high: f64,
}

impl Scale {
    /// `None` where differences cannot be counted in steps.
    pub(super) fn of(subject: &Subject) -> Option<Self> {
        let parameters = match (subject.kind, subject.quantizer) {
            (Kind::Codes, quantizer) => {
                let range = quantizer.and_then(|quantizer| quantizer.range);
                vec![Parameters::of(1.0, range.map(|ends| ends.map(|code| code as f64)))]
            }
            (Kind::Dequantized, Some(quantizer)) => dequantized(quantizer),
            _ => return None,
        };
        let has_range = parameters[0].low > f64::NEG_INFINITY;
        let array = || Box::new([1.0; BLOCK]);
        let (step, low, high) = (array(), array(), array());
        Some(Self { parameters, loaded: false, step, low, high, has_range })
    }

    pub(super) fn load(&mut self, start: usize, len: usize, layout: &Layout) {
        if let [parameters] = self.parameters[..] {
            if !std::mem::replace(&mut self.loaded, true) {
                self.set(0, BLOCK, parameters);
            }
            return;
        }
        for (channel, from, to) in layout.runs(start, len) {
            self.set(from, to, self.parameters[channel]);
        }
    }

    fn set(&mut self, from: usize, to: usize, Parameters { step, low, high }: Parameters) {
        self.step[from..to].fill(step);
        self.low[from..to].fill(low);
        self.high[from..to].fill(high);
    }
}

impl Parameters {
    fn of(step: f64, ends: Option<[f64; 2]>) -> Self {
        let [low, high] = ends.unwrap_or([f64::NEG_INFINITY, f64::INFINITY]);
        Self { step, low, high }
    }
}

fn dequantized(quantizer: &Quantizer) -> Vec<Parameters> {
    let parameters = |(&scale, &zero_point): (&f32, &i64)| {
        // The dequantizer's own product, so that the ends are the numbers that it makes.
        let number = |code: i64| f64::from((code - zero_point) as f32 * scale);
        Parameters::of(f64::from(scale), quantizer.range.map(|ends| ends.map(number)))
    };
    quantizer.scale.iter().zip(&quantizer.zero_point).map(parameters).collect()
}
