use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;
use vairun::{Inputs, Model, NodeEvent, Observer, ObserverError, StepEvent};

use crate::args::ModelArgs;
use crate::failure::{Done, Failure, Verdict};
use crate::inputs::{Given, InputArgs, bind, describe};
use crate::table;

/// Measures loading and running: warms up, then runs until there are enough runs.
///
/// Machines are noisy: compare medians of runs that alternate, as ratios.
#[derive(Args, Debug)]
pub(crate) struct BenchArgs {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    inputs: InputArgs,
    /// Runs that are counted
    #[arg(short = 'n', long, default_value_t = 20)]
    runs: usize,
    /// Runs before
    #[arg(long, default_value_t = 3)]
    warmup: usize,
    /// Also where the time goes, by operator and by step; a fused step has the names of its nodes
    #[arg(long)]
    profile: bool,
    /// Write the steps of one run for a trace viewer (Chrome, Perfetto)
    #[arg(long, value_name = "FILE.json")]
    trace: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// What was measured; times in milliseconds.
#[derive(Debug, Serialize)]
struct Measured {
    model: String,
    exec: String,
    threads: Option<usize>,
    runs: usize,
    load_ms: f64,
    first_run_ms: f64,
    median_ms: f64,
    min_ms: f64,
    p90_ms: f64,
    runs_per_second: f64,
    gmac: f64,
    gmac_per_second: f64,
    /// `None` where the operating system does not tell.
    peak_rss_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    profile: Vec<NodeTime>,
}

/// Where time went.
#[derive(Clone, Debug, Serialize)]
struct NodeTime {
    node: String,
    op: String,
    ms: f64,
    #[serde(skip)]
    start: Duration,
}

pub(crate) fn bench(args: &BenchArgs) -> Done {
    let start = Instant::now();
    let model = args.model.load_for(&args.inputs)?;
    let load_ms = milliseconds(start.elapsed());
    let given = args.inputs.gather(&model, &args.model.symbols())?;
    if !args.json {
        print_given(&given)?;
    }
    let inputs = bind(&given);
    let first_run_ms = time(&model, &inputs)?;
    for _ in 1..args.warmup.max(1) {
        time(&model, &inputs)?;
    }
    let times =
        (0..args.runs.max(1)).map(|_| time(&model, &inputs)).collect::<Result<Vec<_>, _>>()?;
    let peak_rss_bytes = peak_memory();
    // After the measurement: an observed run keeps every tensor's float form.
    let mut watch = Watch::new(&model);
    model.observe(inputs.clone(), &mut watch)?;
    let mut second = Watch::new(&model);
    if !model.profile(inputs.clone(), &mut |event| second.step(event))? {
        model.observe(inputs, &mut second)?;
    }
    let mut measured = Measured::new(args, load_ms, first_run_ms, times, watch.macs);
    measured.peak_rss_bytes = peak_rss_bytes;
    if let Some(path) = &args.trace {
        std::fs::write(path, trace(&second.times))
            .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    }
    if args.profile {
        measured.profile = second.times;
    }
    print(&measured, args.json)?;
    Ok(Verdict::Pass)
}

fn print_given(given: &[Given]) -> std::io::Result<()> {
    let mut out = anstream::stdout();
    given.iter().try_for_each(|given| {
        writeln!(out, "input {} {} ({})", given.name, describe(&given.value), given.from)
    })
}

fn time(model: &Model, inputs: &Inputs) -> Result<f64, Failure> {
    let inputs = inputs.clone();
    let start = Instant::now();
    model.run(inputs)?;
    Ok(milliseconds(start.elapsed()))
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

impl Measured {
    fn new(
        args: &BenchArgs,
        load_ms: f64,
        first_run_ms: f64,
        mut times: Vec<f64>,
        macs: u64,
    ) -> Self {
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
        let (median_ms, gmac) = (at(0.5), macs as f64 / 1e9);
        Self {
            model: args.model.model.display().to_string(),
            exec: format!("{:?}", args.model.exec).to_lowercase(),
            threads: args.model.threads,
            runs: times.len(),
            load_ms,
            first_run_ms,
            median_ms,
            min_ms: times[0],
            p90_ms: at(0.9),
            runs_per_second: 1e3 / median_ms,
            gmac,
            gmac_per_second: gmac / (median_ms / 1e3),
            peak_rss_bytes: None,
            profile: Vec::new(),
        }
    }
}

/// The most memory that the process has held at once, from Linux's accounting.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

/// Times nodes and counts multiply-accumulates.
struct Watch {
    start: Instant,
    times: Vec<NodeTime>,
    macs: u64,
    shapes: std::collections::HashMap<vairun::graph::ValueId, Vec<usize>>,
}

impl Watch {
    fn new(model: &Model) -> Self {
        let weights = &model.source().graph.initializers;
        let shapes = weights.iter().map(|(&id, tensor)| (id, tensor.shape().to_vec())).collect();
        Self { start: Instant::now(), times: Vec::new(), macs: 0, shapes }
    }
}

impl Watch {
    /// A step of the fused plan, under the names of the nodes that it stands for.
    fn step(&mut self, event: &StepEvent) {
        let start = self.start.elapsed().saturating_sub(event.elapsed);
        let names: Vec<_> = event.nodes.iter().map(|node| node.name.as_str()).collect();
        let node = match &names[..] {
            [first, _, .., _, last] => format!("{first} + … + {last} ({} nodes)", names.len()),
            few => few.join(" + "),
        };
        let op = match (event.form, event.nodes.first()) {
            ("node", Some(node)) => node.op.to_string(),
            (form, _) => format!("fused {form}"),
        };
        self.times.push(NodeTime { node, op, ms: milliseconds(event.elapsed), start });
    }
}

impl Observer for Watch {
    fn node(&mut self, event: &NodeEvent) -> Result<(), ObserverError> {
        let start = self.start.elapsed().saturating_sub(event.elapsed);
        let (node, ms) =
            (format!("{}{}", event.scope, event.node.name), milliseconds(event.elapsed));
        self.times.push(NodeTime { node, op: event.node.op.to_string(), ms, start });
        for (id, (_, value)) in event.node.outputs.iter().flatten().zip(event.outputs) {
            if let Ok(tensor) = value.as_tensor() {
                self.shapes.insert(*id, tensor.shape().to_vec());
            }
        }
        self.macs += self.count(event);
        Ok(())
    }
}

impl Watch {
    /// Multiply-accumulates of a contraction: outputs times the length of each sum.
    fn count(&self, event: &NodeEvent) -> u64 {
        let shape =
            |place: usize| Some(self.shapes.get(&(*event.node.inputs.get(place)?)?)?.as_slice());
        let Some(Ok(y)) = event.outputs.first().map(|(_, value)| value.as_tensor()) else {
            return 0;
        };
        let sum = match event.node.op.op_type.as_str() {
            "Conv" | "ConvInteger" | "FusedConv" => shape(1).map(|w| w[1..].iter().product()),
            // Of XIR: [out, kernel…, channels], depthwise [multiplier, kernel…, channels].
            name if name.contains("depthwise-conv") => {
                shape(1).map(|w| w[1..w.len() - 1].iter().product())
            }
            name if name.contains("conv") => shape(1).map(|w| w[1..].iter().product()),
            "QLinearConv" => shape(3).map(|w| w[1..].iter().product()),
            "Gemm" | "MatMul" | "MatMulInteger" | "matmul" => {
                shape(0).and_then(|a| a.last().copied())
            }
            _ => None,
        };
        sum.map_or(0, |sum: usize| y.len() as u64 * sum as u64)
    }
}

fn print(measured: &Measured, json: bool) -> std::io::Result<()> {
    let mut out = anstream::stdout();
    if json {
        return writeln!(
            out,
            "{}",
            serde_json::to_string_pretty(measured).expect("JSON of plain values")
        );
    }
    let m = measured;
    let threads = m.threads.map_or_else(|| "all cores".into(), |n| format!("{n} threads"));
    writeln!(out, "{} · {} · {threads} · {} runs", m.model, m.exec, m.runs)?;
    writeln!(
        out,
        "median {:.3} ms · min {:.3} ms · p90 {:.3} ms · {:.1} runs/s",
        m.median_ms, m.min_ms, m.p90_ms, m.runs_per_second
    )?;
    writeln!(out, "load {:.1} ms · first run {:.1} ms", m.load_ms, m.first_run_ms)?;
    if m.gmac > 0.0 {
        writeln!(out, "{:.3} GMAC · {:.1} GMAC/s", m.gmac, m.gmac_per_second)?;
    }
    if let Some(peak) = m.peak_rss_bytes {
        writeln!(out, "peak memory {}", table::bytes(peak))?;
    }
    if !m.profile.is_empty() {
        write!(out, "\n{}\n{}", by_operator(&m.profile), slowest(&m.profile))?;
    }
    Ok(())
}

/// Bars of so many characters stand for the whole.
const BAR: f64 = 30.0;

fn bars(rows: Vec<(String, usize, f64)>, whole: f64, header: &str) -> String {
    let mut table = table::table(&[header, "nodes", "ms", "%", ""], &[1, 2, 3]);
    for (name, count, ms) in rows {
        let share = ms / whole.max(f64::MIN_POSITIVE);
        let bar = "█".repeat((share * BAR).round() as usize);
        table.add_row([
            name,
            count.to_string(),
            format!("{ms:.3}"),
            format!("{:.1}", share * 100.0),
            bar,
        ]);
    }
    format!("{table}\n")
}

fn by_operator(times: &[NodeTime]) -> String {
    let mut groups: std::collections::BTreeMap<&str, (usize, f64)> = Default::default();
    for time in times {
        let group = groups.entry(&time.op).or_default();
        *group = (group.0 + 1, group.1 + time.ms);
    }
    let mut rows: Vec<_> =
        groups.into_iter().map(|(op, (count, ms))| (op.to_owned(), count, ms)).collect();
    rows.sort_by(|a, b| b.2.total_cmp(&a.2));
    bars(rows, times.iter().map(|time| time.ms).sum(), "operator")
}

/// Nodes that are listed.
const SLOWEST: usize = 15;

fn slowest(times: &[NodeTime]) -> String {
    let mut sorted: Vec<_> = times.iter().collect();
    sorted.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    let rows = sorted
        .iter()
        .take(SLOWEST)
        .map(|time| (format!("{} ({})", time.node, time.op), 1, time.ms))
        .collect();
    bars(rows, times.iter().map(|time| time.ms).sum(), "slowest nodes")
}

/// Chrome's trace event format: complete events in microseconds.
fn trace(times: &[NodeTime]) -> String {
    let event = |time: &NodeTime| {
        serde_json::json!({
            "name": time.node, "cat": time.op, "ph": "X", "pid": 1, "tid": 1,
            "ts": time.start.as_secs_f64() * 1e6, "dur": time.ms * 1e3, "args": { "op": time.op },
        })
    };
    serde_json::json!({ "traceEvents": times.iter().map(event).collect::<Vec<_>>() }).to_string()
}
