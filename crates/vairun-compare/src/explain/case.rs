use std::sync::OnceLock;

use rayon::prelude::*;
use vairun_graph::Graph;
use vairun_numeric::round::Round;
use vairun_numeric::variation::Variation;
use vairun_tensor::Tensor;

use super::decomposed::decomposed;
use super::numbers::Numbers;
use super::part::{Part, Parts};
use super::rows::Rows;
use super::sample::Sample;
use super::tail::Tail;
use crate::check::{Constants, Engine, Pairing, Prepared, is_wide_float};
use crate::measure::{Subject, measure};
use crate::report::{Explanation, Record, Role};
use crate::rule::Elements;
use crate::rules::Rules;

/// Makes cases of records.
pub(super) struct Cases<'a> {
    engine: &'a dyn Engine,
    graph: &'a Graph,
    rules: &'a Rules,
    parts: Parts<'a>,
}

/// A tensor that differs from its golden, computed from the golden's own tensors.
pub(super) struct Case<'a> {
    engine: &'a dyn Engine,
    /// The whole model.
    pub(super) whole: &'a Graph,
    pub(super) record: &'a Record,
    /// What the model makes.
    pub(super) got: Tensor,
    /// The golden.
    pub(super) want: Tensor,
    elements: Elements,
    /// The nodes that make it; `None` for inputs and what stands in the file.
    pub(super) part: Option<Part>,
    /// The nodes from before the last quantizer on, where the golden has the codes that the quantizer makes.
    wider: Option<Part>,
    tail: OnceLock<Option<Tail>>,
    sample: OnceLock<Option<Sample>>,
    rows: OnceLock<Option<Rows>>,
    numbers: OnceLock<Option<Numbers>>,
    differing: OnceLock<Option<u64>>,
}

impl<'a> Cases<'a> {
    pub(super) fn new(
        engine: &'a dyn Engine,
        graph: &'a Graph,
        pairing: &'a dyn Pairing,
        rules: &'a Rules,
        records: &'a [Record],
    ) -> Self {
        Self { engine, graph, rules, parts: Parts::new(engine, graph, pairing, records) }
    }

    /// `None` where it cannot be computed by itself: in the body of a loop, or where the golden cannot be read again.
    pub(super) fn case(&self, record: &'a Record) -> Option<Case<'a>> {
        let (got, part, wider) = match record.role {
            Role::Input => (self.engine.input(&record.name)?.into_tensor().ok()?, None, None),
            Role::Parameter => (self.parts.parameter(&record.name)?, None, None),
            _ => {
                let part = self.parts.part(record)?;
                let wider = self.parts.part_before_the_quantizer(record);
                (part.made(self.engine)?, Some(part), wider)
            }
        };
        let want = self.parts.golden(record, &got)?;
        let rule = self.rules.rule_for(&record.name, record.kind, is_wide_float(got.dtype()));
        Some(Case {
            engine: self.engine,
            whole: self.graph,
            record,
            got,
            want,
            elements: match rule.elements {
                // Another condition than elementwise was asked for: the default decides what differs.
                Elements::Any => {
                    crate::Rule::default_for(record.kind, is_wide_float(record_dtype(record)))
                        .elements
                }
                elements => elements,
            },
            part,
            wider,
            tail: OnceLock::new(),
            sample: OnceLock::new(),
            rows: OnceLock::new(),
            numbers: OnceLock::new(),
            differing: OnceLock::new(),
        })
    }
}

fn record_dtype(record: &Record) -> vairun_tensor::DType {
    vairun_tensor::DType::from_name(&record.dtype).unwrap_or(vairun_tensor::DType::F32)
}

impl Case<'_> {
    /// Elements of `got` that differ from the golden by the rule of the tensor; `None` for another shape or type.
    pub(super) fn differing_of(&self, got: &Tensor) -> Option<u64> {
        self.beyond(got, &self.want)
    }

    /// Elements of `got` that differ from those of `want` by the rule of the tensor.
    pub(super) fn beyond(&self, got: &Tensor, want: &Tensor) -> Option<u64> {
        let subject = Subject {
            kind: self.record.kind,
            quantizer: self.record.quantizer.as_ref(),
            elements: self.elements,
            scores: false,
        };
        Some(measure(got, want, &subject).ok()?.beyond)
    }

    /// Elements that differ as the model is; all of them for another shape.
    pub(super) fn differing(&self) -> u64 {
        let count = || self.differing_of(&self.got);
        self.differing.get_or_init(count).unwrap_or(self.want.len() as u64)
    }

    /// Whether the tensor is the same in every run.
    pub(super) fn is_constant(&self) -> bool {
        let id = self.whole.by_name().get(self.record.name.as_str()).copied();
        id.is_some_and(|id| Constants::of(self.whole).contains(id))
    }

    /// Both tensors as numbers and as codes, where they have the same shape.
    pub(super) fn numbers(&self) -> Option<&Numbers> {
        let make = || Numbers::of(&self.got, &self.want, self.record);
        self.numbers.get_or_init(make).as_ref()
    }

    /// The last quantizer before the tensor, and what it quantizes.
    pub(super) fn tail(&self) -> Option<&Tail> {
        let of = |part: &Part| Tail::of(part, self.engine, &self.got, true);
        let apart = |part: &Part| Tail::of(&decomposed(part)?, self.engine, &self.got, false);
        let make = || {
            let part = self.part.as_ref()?;
            of(part).or_else(|| self.wider.as_ref().and_then(of)).or_else(|| apart(part))
        };
        self.tail.get_or_init(make).as_ref()
    }

    /// What the tensor is when its last quantizer deviates.
    pub(super) fn varied(&self, variation: &Variation) -> Option<Tensor> {
        self.tail()?.evaluate(self.engine, variation)
    }

    /// Elements that differ when the last quantizer deviates; `None` where it is plain that this explains nothing.
    pub(super) fn left_by(&self, variation: &Variation) -> Option<u64> {
        self.left_with(|tail| tail.evaluate(self.engine, variation))
    }

    /// Elements that differ when the last quantizer deviates, however many.
    pub(super) fn count_by(&self, variation: &Variation) -> Option<u64> {
        self.differing_of(&self.varied(variation)?)
    }

    /// Elements that differ when the tensor is made from its last quantizer in another way; `None` where a sample shows
    /// that this explains nothing.
    pub(super) fn left_with(&self, make: impl Fn(&Tail) -> Option<Tensor>) -> Option<u64> {
        let tail = self.tail().filter(|_| self.has_shape())?;
        if let Some(sample) = self.sample.get_or_init(|| Sample::of(self)) {
            let left = self.beyond(&make(&sample.tail)?, &sample.want)?;
            if !self.holds(left) {
                return None;
            }
        }
        self.differing_of(&make(tail)?)
    }

    /// How many are true, as far as that matters: beyond what an explanation may leave it is not counted on.
    pub(super) fn count(&self, differ: impl Iterator<Item = bool>) -> u64 {
        let most = self.differing() / 50;
        differ.filter(|&differs| differs).take(most as usize + 1).count() as u64
    }

    /// Elements that differ when the part is changed; `None` where it is plain that this explains nothing.
    pub(super) fn left_changed(&self, change: impl FnOnce(&mut Graph) -> bool) -> Option<u64> {
        let part = self.part.as_ref()?;
        let mut graph = part.graph.clone();
        if !change(&mut graph) {
            return None;
        }
        self.left_unless(
            |rows| rows.left_changed(self, &graph),
            || part.evaluate_changed(self.engine, &graph),
        )
    }

    /// Elements that differ when every quantizer of the part deviates, those of weights included; `None` where it is
    /// plain that this explains nothing.
    pub(super) fn left_throughout(&self, variation: &Variation) -> Option<u64> {
        let part = self.part.as_ref().filter(|_| self.has_shape())?;
        self.left_unless(
            |rows| rows.left_varied(self, variation),
            || part.varied(self.engine, variation),
        )
    }

    /// Elements that differ when the part, which is `ready` to run, is given another tensor at `place`; `None` where it
    /// is plain that this explains nothing.
    pub(super) fn left_of_input(
        &self,
        ready: &dyn Prepared,
        place: usize,
        input: &Tensor,
    ) -> Option<u64> {
        let part = self.part.as_ref().filter(|_| self.has_shape())?;
        self.left_unless(
            |rows| rows.left_of_input(self, ready, place, input),
            || part.of_input(ready, place, input.clone()),
        )
    }

    /// The first candidate that explains something; some are tried at the same time.
    pub(super) fn first_of<T: Sync, R: Send>(
        &self,
        candidates: &[T],
        test: impl Fn(&T) -> Option<R> + Send + Sync,
    ) -> Option<R> {
        self.settle();
        candidates.par_iter().find_map_first(test)
    }

    /// What all candidates leave, where it is known, in their order; some are tried at the same time.
    pub(super) fn each_of<T: Sync, R: Send>(
        &self,
        candidates: &[T],
        left: impl Fn(&T) -> Option<R> + Send + Sync,
    ) -> Vec<R> {
        self.settle();
        candidates.par_iter().filter_map(left).collect()
    }

    /// Makes what all candidates need, before threads share it: one that waits for it in the middle of a run may be given
    /// a candidate that waits for the same.
    fn settle(&self) {
        self.tail();
        self.sample.get_or_init(|| Sample::of(self));
        self.rows.get_or_init(|| Rows::of(self));
        self.differing();
    }

    /// Whether both sides have the same shape: without it nothing that keeps the shape explains anything.
    pub(super) fn has_shape(&self) -> bool {
        self.got.shape() == self.want.shape()
    }

    fn left_unless(
        &self,
        in_rows: impl FnOnce(&Rows) -> Option<u64>,
        whole: impl FnOnce() -> Option<Tensor>,
    ) -> Option<u64> {
        let rows = self.rows.get_or_init(|| Rows::of(self)).as_ref();
        if rows.is_some_and(|rows| !self.holds(in_rows(rows).unwrap_or(0))) {
            return None;
        }
        self.differing_of(&whole()?)
    }

    /// Whether a rounding throughout may make another tensor than one of the last quantizer alone.
    pub(super) fn other_quantizers_round(&self) -> bool {
        let (Some(part), Some(tail)) = (&self.part, self.tail().filter(|tail| tail.own)) else {
            return true;
        };
        let last = |name: &str| name == tail.quantizer;
        part.rounds(self.engine, last).unwrap_or(true)
    }

    /// What runs graphs.
    pub(super) fn engine(&self) -> &dyn Engine {
        self.engine
    }

    /// Whether an explanation that leaves so many differences holds: nearly all are gone.
    pub(super) fn holds(&self, left: u64) -> bool {
        let differing = self.differing();
        left < differing && left.saturating_mul(50) <= differing
    }

    /// The explanation, where it holds.
    pub(super) fn explanation(
        &self,
        cause: &str,
        left: u64,
        proof: Option<String>,
        text: impl FnOnce() -> String,
    ) -> Option<Explanation> {
        self.holds(left).then(|| Explanation {
            cause: cause.to_owned(),
            text: text(),
            differing: self.differing(),
            left,
            proof,
        })
    }

    /// `--vary` for the last quantizer.
    pub(super) fn vary_option(&self, word: &str) -> Option<String> {
        // Operators on codes are varied here alone.
        self.tail().filter(|tail| tail.own)?;
        let option = if Round::from_name(word).is_some() { "--round" } else { "--vary" };
        Some(format!("{option} '{}={word}'", globset::escape(&self.tail()?.quantizer)))
    }

    /// Where the tensor was computed from, and the nodes between.
    pub(super) fn route(&self) -> (Vec<String>, Vec<String>) {
        self.part.as_ref().map(Part::route).unwrap_or_default()
    }
}
