use std::collections::{HashMap, HashSet};

use vairun_exec::{NodeEvent, Observer, ObserverError};
use vairun_graph::{Graph, ValueId};
use vairun_tensor::{Tensor, Value};

use super::classify::{Class, Differences, Rounding};
use super::facts::Facts;
use super::layout::integers;
use super::search::{Pair, Pairing};
use super::sites::{Leaf, Skeleton};
use super::tensors::{in_one_shape, in_type_of, integers_exactly, there_codes};
use crate::around::Around;
use crate::check::Mismatches;
use crate::measure::{Subject, measure};
use crate::quantizer::{Kind, Quantizer};
use crate::report::{
    Comparison, Mode, Reading, Record, Report, Role, SCHEMA, Status, Summary, Unmatched,
};
use crate::rule::{Elements, Verdict};

/// A graph, its sites, and what a run told of them.
type Side<'a> = (&'a Graph, &'a Skeleton, &'a [Option<Facts>]);

/// What two models have come to.
struct Sides<'a> {
    here: Side<'a>,
    there: Side<'a>,
}

/// Compares the sites of a model with those of the .xmodel that it was paired with.
///
/// Give it as the observer to a run of the .xmodel: every paired site there then gives the codes of its counterpart to
/// its readers, so that each site is computed from the model's own tensors. Then ask for the report.
pub struct PairCheck<'a> {
    sides: Sides<'a>,
    pairing: &'a Pairing,
    /// Pairs by the name of the value there.
    by_name: HashMap<&'a str, usize>,
    /// What sites there are made from, as long as they are to come.
    sources: HashMap<ValueId, Tensor>,
    /// How many `fix` nodes are made from each source.
    wanted: HashMap<ValueId, usize>,
    isolated: Vec<Option<Isolated>>,
}

/// How a site compares when it is computed from the model's own tensors.
struct Isolated {
    differences: Differences,
    codes: Vec<i64>,
}

impl<'a> PairCheck<'a> {
    /// A check of paired sites.
    pub fn new(here: Side<'a>, there: Side<'a>, pairing: &'a Pairing) -> Self {
        let name = |pair: &Pair| there.0.name_of(there.1.sites[pair.there].value);
        Self {
            by_name: pairing.pairs.iter().enumerate().map(|(i, pair)| (name(pair), i)).collect(),
            wanted: sources(there.1),
            sources: HashMap::new(),
            isolated: pairing.pairs.iter().map(|_| None).collect(),
            sides: Sides { here, there },
            pairing,
        }
    }

    fn facts(&self, pair: &Pair) -> Option<(&'a Facts, &'a Facts)> {
        let (here, there) = (self.sides.here.2, self.sides.there.2);
        Some((here[pair.here].as_ref()?, there[pair.there].as_ref()?))
    }

    fn is_parameter(&self, pair: &Pair) -> bool {
        self.sides.there.1.sites[pair.there].parameter
    }

    /// The codes of a site here in the place and on the step of its counterpart.
    fn given(&self, pair: &Pair) -> Option<Vec<i64>> {
        let (here, there) = self.facts(pair)?;
        let codes = pair.layout.to_there(&here.codes)?;
        if here.step == there.step {
            return Some(codes);
        }
        let ratio = here.step / there.step;
        Some(codes.into_iter().map(|code| (code as f64 * ratio).round_ties_even() as i64).collect())
    }

    fn compare(&mut self, place: usize, event: &NodeEvent, got: &Tensor) {
        let pair = &self.pairing.pairs[place];
        if self.is_parameter(pair) {
            return;
        }
        let (Some(given), Some(codes), Some((here, there))) =
            (self.given(pair), integers(got), self.facts(pair))
        else {
            return;
        };
        let same_step = here.step == there.step;
        let rounding = Rounding::of(event.node, &self.sides.here.1.sites[pair.here].operations)
            .filter(|_| same_step);
        let source =
            event.node.inputs.first().copied().flatten().and_then(|id| self.sources.get(&id));
        let reals = source.and_then(|source| source.as_slice::<f32>().ok());
        let inputs = if reals.is_none() { source.and_then(integers_exactly) } else { None };
        let mut differences = Differences::default();
        for (i, (&given, &code)) in given.iter().zip(&codes).enumerate() {
            let class = (given != code).then(|| match (rounding, reals, &inputs) {
                (Some(rounding), Some(reals), _) => rounding.of_real(reals[i], given, code),
                (Some(rounding), None, Some(inputs)) => rounding.of_code(inputs[i], given, code),
                _ => Class::Real,
            });
            differences.add(class, given.abs_diff(code));
        }
        self.isolated[place] = Some(Isolated { differences, codes });
    }

    /// What was found. `strict` passes nothing that differs, whatever the reason; `mismatches` is given both tensors of
    /// every pair that fails.
    ///
    /// # Errors
    /// What `mismatches` says.
    pub fn finish(
        self,
        (model, golden): (&str, &str),
        strict: bool,
        mismatches: Option<&mut dyn Mismatches>,
    ) -> Result<Report, ObserverError> {
        let mut records = Vec::new();
        let mut save = mismatches;
        for (place, pair) in self.pairing.pairs.iter().enumerate() {
            let Some(record) = self.record(place, pair, strict) else { continue };
            if let Some(save) = save.as_deref_mut().filter(|_| !record.pass())
                && let Some((got, want)) = self.tensors(place, pair)
            {
                save.add(&record, &got, &want)?;
            }
            records.push(record);
        }
        // Execution order here; parameters come with the first operator that reads them.
        records.sort_by_key(|record| record.order);
        let unmatched = |sites: &[usize], skeleton: &Skeleton, side: &str| -> Vec<Unmatched> {
            let name = |&i: &usize| format!("{} ({side})", skeleton.sites[i].name);
            sites.iter().map(|i| Unmatched { name: name(i), closest: Vec::new() }).collect()
        };
        let mut all = unmatched(&self.pairing.only_there, self.sides.there.1, "of the golden");
        all.extend(unmatched(&self.pairing.only_here, self.sides.here.1, "of the model"));
        let paired = |parameter| {
            self.pairing.pairs.iter().filter(|pair| self.is_parameter(pair) == parameter).count()
        };
        let counts =
            format!("{golden} ({} parameters, {} activations paired)", paired(true), paired(false));
        let mut report = Report {
            schema: SCHEMA.to_owned(),
            vairun: env!("CARGO_PKG_VERSION").to_owned(),
            model: model.to_owned(),
            golden: vec![counts],
            rules: if strict { vec!["--strict".to_owned()] } else { Vec::new() },
            mode: Mode::Isolated,
            notes: Vec::new(),
            summary: Summary::default(),
            unmatched: all,
            unchecked_outputs: self.unchecked_outputs(),
            around: None,
            records,
        };
        report.summarize();
        report.around = Around::of_first(self.sides.here.0, &report);
        Ok(report)
    }

    /// The codes here, and those of the counterpart as it makes them from the tensors here.
    fn tensors(&self, place: usize, pair: &Pair) -> Option<(Tensor, Tensor)> {
        let (here, there) = self.facts(pair)?;
        let want = match self.is_parameter(pair) {
            true => there_codes(there),
            false => self.isolated[place].as_ref()?.codes.clone(),
        };
        in_one_shape(pair, here, there, &want)
    }

    /// Outputs of the model that depend on no paired site.
    fn unchecked_outputs(&self) -> Vec<String> {
        let (graph, skeleton, _) = self.sides.here;
        let matched: HashSet<usize> = self.pairing.pairs.iter().map(|pair| pair.here).collect();
        let producers = graph.producers();
        let checked = |&id: &ValueId| {
            let (mut open, mut seen) = (vec![id], HashSet::new());
            while let Some(value) = open.pop() {
                if !seen.insert(value) {
                    continue;
                }
                match skeleton.site_of(value) {
                    Some(site) => return matched.contains(&site),
                    None => open.extend(
                        producers[value.index()].into_iter().flat_map(|i| graph.nodes[i].reads()),
                    ),
                }
            }
            false
        };
        graph
            .outputs
            .iter()
            .filter(|id| !checked(id))
            .map(|&id| graph.name_of(id).to_owned())
            .collect()
    }

    fn record(&self, place: usize, pair: &Pair, strict: bool) -> Option<Record> {
        let (here, there) = self.facts(pair)?;
        let site = &self.sides.here.1.sites[pair.here];
        let other = &self.sides.there.1.sites[pair.there];
        let (isolated, differences) = match self.is_parameter(pair) {
            true => (there_codes(there), self.parameter_differences(pair)?),
            false => {
                let isolated = self.isolated[place].as_ref()?;
                (isolated.codes.clone(), isolated.differences)
            }
        };
        let quantizer = Quantizer::per_tensor(here.step as f32, 0, None);
        let compare = |want: &[i64], verdict: Verdict| {
            let (got, want) = in_one_shape(pair, here, there, want)?;
            let subject = Subject {
                kind: Kind::Codes,
                quantizer: Some(&quantizer),
                elements: Elements::Exact,
                scores: false,
            };
            Some(Comparison { verdict, metrics: measure(&got, &want, &subject).ok() })
        };
        let verdict = self.verdict(pair, differences, strict);
        let status = self.status(pair, &verdict);
        let cumulative = compare(
            &there_codes(there),
            Verdict { reasons: verdict.reasons.clone(), ..verdict.clone() },
        );
        let (node, op) = self.node_of(pair.here);
        Some(Record {
            name: site.name.clone(),
            node,
            op,
            order: self.order_of(pair.here),
            role: Role::Inner,
            dtype: here.codes.dtype().name().to_owned(),
            shape: here.codes.shape().to_vec(),
            kind: Kind::Codes,
            golden: Reading {
                name: other.name.clone(),
                read_as: pair.layout.name.to_owned(),
                matched_by: pair.matched_by.to_owned(),
            },
            isolated: compare(&isolated, verdict),
            cumulative,
            quantizer: Some(quantizer.clone()),
            differences: Some(differences),
            diagnosis: None,
            status,
        })
    }

    fn parameter_differences(&self, pair: &Pair) -> Option<Differences> {
        let (here, there) = self.facts(pair)?;
        let mut differences = Differences::default();
        let same_step = here.step == there.step;
        for (given, code) in self.given(pair)?.into_iter().zip(there_codes(there)) {
            let class = (given != code || !same_step).then_some(Class::Real);
            differences.add(class, given.abs_diff(code));
        }
        Some(differences)
    }

    fn verdict(&self, pair: &Pair, differences: Differences, strict: bool) -> Verdict {
        let mut reasons = Vec::new();
        if let Some((here, there)) =
            self.facts(pair).filter(|(here, there)| here.step != there.step)
        {
            reasons.push(format!(
                "one step is 2^{}, expected 2^{}",
                here.step.log2(),
                there.step.log2()
            ));
        }
        let fails = if strict { differences.total() } else { differences.real };
        if fails > 0 || differences.compared == 0 {
            reasons.push(differences.to_string());
        }
        let rule = if strict { "no difference" } else { "no real difference" };
        Verdict { pass: reasons.is_empty(), rule: rule.to_owned(), reasons }
    }

    /// What is computed from a site on another step, or from a parameter that differs, cannot be told from a fault of
    /// its own.
    fn status(&self, pair: &Pair, verdict: &Verdict) -> Status {
        if verdict.pass {
            return Status::Pass;
        }
        let wrong = |leaf: &Leaf| {
            let Leaf::Site(site) = leaf else { return false };
            let source = self.pairing.pairs.iter().find(|other| other.there == *site);
            source.is_some_and(|source| self.is_off_step(source) || self.is_wrong(source))
        };
        let leaves = &self.sides.there.1.sites[pair.there].leaves;
        if leaves.iter().any(wrong) { Status::Inherited } else { Status::Guilty }
    }

    fn is_off_step(&self, pair: &Pair) -> bool {
        self.facts(pair).is_some_and(|(here, there)| here.step != there.step)
    }

    /// Whether a parameter differs: the .xmodel computes with its own.
    fn is_wrong(&self, pair: &Pair) -> bool {
        self.is_parameter(pair)
            && self.parameter_differences(pair).is_some_and(|differences| differences.real > 0)
    }

    /// The node here whose result is quantized, and its operator.
    fn node_of(&self, site: usize) -> (String, String) {
        let (graph, skeleton, _) = self.sides.here;
        let site = &skeleton.sites[site];
        let maker = site.source.and_then(|source| graph.producers()[source.index()]);
        let place = maker.filter(|_| !site.parameter).or(site.node);
        place.map_or_else(Default::default, |i| {
            (graph.nodes[i].name.clone(), graph.nodes[i].op.to_string())
        })
    }

    /// Parameters stand just before the first site that reads them.
    fn order_of(&self, site: usize) -> usize {
        let skeleton = self.sides.here.1;
        let after = |i: usize| skeleton.sites[i].node.unwrap_or(0);
        if !skeleton.sites[site].parameter {
            return 2 * after(site) + 1;
        }
        let reads = |i: &usize| skeleton.sites[*i].leaves.contains(&Leaf::Site(site));
        (0..skeleton.sites.len()).find(reads).map_or(0, |i| 2 * after(i))
    }
}

fn sources(skeleton: &Skeleton) -> HashMap<ValueId, usize> {
    let mut sources = HashMap::new();
    let activations = skeleton.sites.iter().filter(|site| !site.parameter && site.node.is_some());
    activations.filter_map(|site| site.source).for_each(|id| *sources.entry(id).or_default() += 1);
    sources
}

impl Observer for PairCheck<'_> {
    fn node(&mut self, event: &NodeEvent) -> Result<(), ObserverError> {
        for (id, (name, value)) in event.node.writes().zip(event.outputs) {
            let Value::Tensor(tensor) = value else { continue };
            if let Some(&place) = self.by_name.get(name) {
                self.compare(place, event, tensor);
            }
            if self.wanted.contains_key(&id) {
                self.sources.insert(id, tensor.clone());
            }
        }
        if event.node.op.op_type == "fix"
            && let Some(source) = event.node.inputs.first().copied().flatten()
            && let Some(left) = self.wanted.get_mut(&source)
        {
            *left -= 1;
            if *left == 0 {
                self.sources.remove(&source);
            }
        }
        Ok(())
    }

    fn substitute(&mut self, name: &str, value: &Value) -> Option<Value> {
        let pair = &self.pairing.pairs[*self.by_name.get(name)?];
        if self.is_parameter(pair) {
            return None;
        }
        Some(in_type_of(value.as_tensor().ok()?, &self.given(pair)?)?.into())
    }
}
