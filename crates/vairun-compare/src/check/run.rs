use std::collections::HashMap;

use vairun_exec::Observer;
use vairun_graph::{Graph, ValueId};
use vairun_numeric::variation::Variation;
use vairun_tensor::{Tensor, Value};

use super::constants::with_constants;
use super::merge::merge;
use super::{Check, Constants, FedTensors, Isolation, MadeTensor, Mismatches, Pairing, substitute};
use crate::around::Around;
use crate::explain::explain;
use crate::report::{Mode, Record, Report, Status};
use crate::rules::Rules;

/// What stops a run.
pub type EngineError = Box<dyn std::error::Error + Send + Sync>;

/// Runs graphs for a check: the caller has the operators.
pub trait Engine: Sync {
    /// Runs the model that is checked on its inputs.
    ///
    /// # Errors
    /// What the run says; an error of the observer as it is.
    fn observe(&self, observer: &mut (dyn Observer + Send)) -> Result<(), EngineError>;

    /// Runs the model that is checked in the form `graph`, on the same inputs.
    ///
    /// # Errors
    /// As [`Engine::observe`].
    fn observe_changed(
        &self,
        graph: Graph,
        observer: &mut (dyn Observer + Send),
    ) -> Result<(), EngineError>;

    /// A graph ready to run on inputs of the types of `inputs`, where quantizers round as `variation` says.
    ///
    /// # Errors
    /// A graph that cannot be run.
    fn prepare(
        &self,
        graph: Graph,
        inputs: &[Value],
        variation: Option<&Variation>,
    ) -> Result<Box<dyn Prepared>, EngineError>;

    /// Runs a graph once.
    ///
    /// # Errors
    /// A graph that cannot be run.
    fn evaluate(
        &self,
        graph: Graph,
        inputs: Vec<Value>,
        variation: Option<&Variation>,
    ) -> Result<Vec<Value>, EngineError> {
        self.prepare(graph, &inputs, variation)?.run(inputs)
    }

    /// The values of the model's inputs by name.
    fn input(&self, name: &str) -> Option<Value>;
}

/// A graph that is ready to run.
pub trait Prepared: Send + Sync {
    /// Runs it with `inputs` in its order: the values of its outputs.
    ///
    /// # Errors
    /// What the run says.
    fn run(&self, inputs: Vec<Value>) -> Result<Vec<Value>, EngineError>;
}

/// How a check is made.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Which runs.
    pub mode: Mode,
    /// For how many tensors that fail by themselves an explanation is looked for.
    pub explain: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { mode: Mode::Both, explain: 8 }
    }
}

/// Checks a model: as it runs, and where something differs each node for itself; then looks for explanations.
///
/// # Errors
/// A model that does not run, or a golden that cannot be read.
pub fn check<'a>(
    engine: &dyn Engine,
    graph: &'a Graph,
    pairing: &'a dyn Pairing,
    rules: &'a Rules,
    title: &str,
    settings: Settings,
    mismatches: Option<&'a mut dyn Mismatches>,
) -> Result<Report, EngineError> {
    let (mut report, fed) =
        first_run(engine, graph, pairing, rules, title, settings.mode, mismatches)?;
    if settings.mode == Mode::Both && report.records.iter().any(|record| !record.pass()) {
        let span = tracing::info_span!("isolate").entered();
        let isolated = isolated_run(engine, graph, pairing, rules, &report.records, &fed)?;
        drop(span);
        merge(&mut report, isolated, graph);
    }
    report.mode = settings.mode;
    explain(engine, graph, pairing, rules, &mut report, settings.explain);
    report.around = Around::of_first(graph, &report);
    Ok(report)
}

fn first_run<'a>(
    engine: &dyn Engine,
    graph: &'a Graph,
    pairing: &'a dyn Pairing,
    rules: &'a Rules,
    title: &str,
    mode: Mode,
    mismatches: Option<&'a mut dyn Mismatches>,
) -> Result<(Report, FedTensors), EngineError> {
    let check = match mode {
        Mode::Isolated => Check::isolated(graph, pairing, rules),
        _ => Check::new(graph, pairing, rules),
    };
    let mut check = check.with_mismatches(mismatches);
    engine.observe(&mut check)?;
    let fed = std::mem::take(&mut check.fed);
    let mut report = check.finish(title)?;
    if mode == Mode::Isolated {
        for record in &mut report.records {
            record.isolated = record.cumulative.take();
            if record.status == Status::Fail {
                record.status = Status::Guilty;
            }
        }
        report.summarize();
    }
    Ok((report, fed))
}

/// The run in which each node is fed with the golden's tensors.
///
/// Constants that the golden has otherwise are put into the graph: operators prepare constants once, and would not look
/// at a substitute.
fn isolated_run(
    engine: &dyn Engine,
    graph: &Graph,
    pairing: &dyn Pairing,
    rules: &Rules,
    records: &[Record],
    fed: &FedTensors,
) -> Result<Vec<Record>, EngineError> {
    let changed = changed_constants(engine, graph, pairing, records)?;
    let check = Check::isolated(graph, pairing, rules);
    if !changed.is_empty() {
        let mut check = check;
        engine.observe_changed(with_constants(graph, changed), &mut check)?;
        return Ok(check.finish("")?.records);
    }
    let isolation = Isolation::of(graph, pairing, records, fed);
    let kept: Vec<Record> =
        isolation.iter().flat_map(|isolation| isolation.kept(records)).collect();
    if isolation.as_ref().is_some_and(Isolation::is_empty) {
        return Ok(kept);
    }
    let mut check = check.only(isolation);
    engine.observe(&mut check)?;
    check.records.extend(kept);
    Ok(check.records)
}

fn changed_constants(
    engine: &dyn Engine,
    graph: &Graph,
    pairing: &dyn Pairing,
    records: &[Record],
) -> Result<HashMap<ValueId, Tensor>, EngineError> {
    let constants = Constants::of(graph);
    let names = graph.by_name();
    let mut changed = HashMap::new();
    for record in records.iter().filter(|record| !record.pass()) {
        let Some(&id) = names.get(record.name.as_str()) else { continue };
        let Some(index) = pairing.find(&record.name).filter(|_| constants.contains(id)) else {
            continue;
        };
        let Some(tensor) = constant_value(engine, graph, id) else { continue };
        let quantizer = record.quantizer.as_ref();
        let (name, kind) = (record.name.as_str(), record.kind);
        let found = pairing.read(index, &MadeTensor { name, tensor: &tensor, kind, quantizer })?;
        changed.extend(substitute(&tensor, &found.tensor).map(|tensor| (id, tensor)));
    }
    Ok(changed)
}

/// The value of a constant, computed by itself.
fn constant_value(engine: &dyn Engine, graph: &Graph, id: ValueId) -> Option<Tensor> {
    if let Some(tensor) = graph.initializers.get(&id) {
        return Some(tensor.clone());
    }
    let part = graph.extract(&[], &[graph.name_of(id)]).ok()?;
    let mut made = engine.evaluate(part, Vec::new(), None).ok()?;
    made.pop()?.into_tensor().ok()
}
