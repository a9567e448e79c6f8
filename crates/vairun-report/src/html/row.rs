use vairun_compare::{Comparison, Diagnosis, Element, Metrics, Record, Status};

use super::strip::Strip;
use crate::number::{cosine, count, percent, short};
use crate::terminal::exact;
use crate::words;

/// A tensor in the table, and what opens below it.
pub(super) struct Row {
    /// Its place in the report; the row has the id `t{place}`.
    pub(super) place: usize,
    pub(super) order: usize,
    pub(super) name: String,
    pub(super) op: String,
    pub(super) typed: String,
    pub(super) status: &'static str,
    pub(super) mark: &'static str,
    /// Guilty before failing before inherited before passing.
    pub(super) rank: u8,
    pub(super) cells: Vec<Cell>,
    pub(super) reasons: String,
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) bars: Vec<Bar>,
    pub(super) worst: Vec<Worst>,
    pub(super) strip: Option<Strip>,
    pub(super) diagnosis: Option<Diagnosis>,
}

/// A number of the table, with what it is sorted by.
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) value: f64,
    pub(super) class: &'static str,
}

/// A bin of the histogram of steps.
pub(super) struct Bar {
    pub(super) label: &'static str,
    pub(super) count: String,
    /// Of the highest, in percent, on a logarithmic scale: one tensor in a million shows.
    pub(super) height: u32,
    pub(super) class: &'static str,
}

/// One of the elements that differ most.
pub(super) struct Worst {
    pub(super) index: String,
    pub(super) got: String,
    pub(super) want: String,
    pub(super) delta: String,
}

impl Row {
    pub(super) fn of(place: usize, record: &Record) -> Self {
        let metrics = words::metrics(record);
        let differs = metrics.filter(|metrics| metrics.differing() > 0);
        Self {
            place,
            order: record.order,
            name: record.name.clone(),
            op: words::origin(record).to_owned(),
            typed: words::typed(record),
            status: words::status(record.status),
            mark: words::mark(record),
            rank: rank(record.status),
            cells: cells(metrics),
            reasons: words::reasons(record),
            facts: facts(record),
            bars: differs
                .and_then(|m| m.steps.as_ref())
                .map_or_else(Vec::new, |s| bars(&s.histogram)),
            worst: differs.map_or_else(Vec::new, |m| m.worst.iter().map(Worst::of).collect()),
            strip: metrics.and_then(|m| m.channels.as_ref()).map(Strip::of),
            diagnosis: record.diagnosis.clone(),
        }
    }
}

impl Row {
    /// The name in pieces between which a line may break.
    pub(super) fn parts(&self) -> impl Iterator<Item = &str> {
        self.name.split_inclusive(['/', '.', '_', ':'])
    }
}

fn rank(status: Status) -> u8 {
    match status {
        Status::Guilty => 0,
        Status::Fail => 1,
        Status::Missing => 2,
        Status::Inherited => 3,
        Status::Pass => 4,
    }
}

/// The columns of numbers: equal, max |Δ|, steps, SQNR, cosine.
fn cells(metrics: Option<&Metrics>) -> Vec<Cell> {
    let steps = metrics.and_then(|m| m.steps.as_ref()).map(|steps| steps.max);
    let of = |value: fn(&Metrics) -> f64| metrics.map(value);
    let max_abs = of(|m| if m.one_sided > 0 { f64::INFINITY } else { m.max_abs });
    let equal = metrics.map(|m| percent(m.equal, m.elements));
    let one_sided = metrics.is_some_and(|m| m.one_sided > 0);
    let max_text = if one_sided { Some("NaN/inf".to_owned()) } else { max_abs.map(short) };
    vec![
        Cell::new("equal", equal, of(Metrics::equal_percent)),
        Cell::new("max", max_text, max_abs),
        Cell::new("steps", steps.map(short), steps),
        Cell::new("sqnr", of(|m| m.sqnr_db).map(decibels), of(|m| m.sqnr_db)),
        Cell::new("cosine", of(|m| m.cosine).map(cosine), of(|m| m.cosine)),
    ]
}

impl Cell {
    fn new(class: &'static str, text: Option<String>, value: Option<f64>) -> Self {
        Self { text: text.unwrap_or_else(|| "–".into()), value: value.unwrap_or(f64::NAN), class }
    }
}

fn decibels(value: f64) -> String {
    if value == f64::INFINITY { "∞".to_owned() } else { format!("{value:.1}") }
}

fn facts(record: &Record) -> Vec<(&'static str, String)> {
    let mut facts = vec![("node", record.node.clone()), ("golden", record.golden.name.clone())];
    facts.push(("read as", record.golden.read_as.clone()));
    facts.push(("matched by", record.golden.matched_by.clone()));
    let scale = |q: &vairun_compare::Quantizer| {
        let zero =
            q.zero_point.first().filter(|_| q.zero_point.iter().all(|z| *z == q.zero_point[0]));
        let zero = zero.map_or_else(String::new, |zero| format!(", zero point {zero}"));
        format!("{}{zero}", q.describe_scale())
    };
    facts.push(("scale", record.quantizer.as_ref().map_or_else(String::new, scale)));
    let rule = record.comparison().map_or_else(String::new, |c| c.verdict.rule.clone());
    facts.push(("rule", rule));
    let compared = |c: &Option<Comparison>| c.as_ref().map_or_else(String::new, words::measured);
    let classes = record.differences.map_or_else(String::new, |differences| differences.classes());
    facts.push(("differences", classes));
    facts.push(("as the model runs", compared(&record.cumulative)));
    facts.push(("alone", compared(&record.isolated)));
    if let Some(metrics) = words::metrics(record) {
        facts.extend(numbers(metrics));
    }
    facts.retain(|(_, text)| !text.is_empty());
    facts
}

fn numbers(metrics: &Metrics) -> Vec<(&'static str, String)> {
    let range = |r: vairun_compare::Range| format!("{} … {}", short(r.min), short(r.max));
    let mut facts = vec![
        ("elements", count(metrics.elements)),
        ("range", format!("{} (golden {})", range(metrics.range.got), range(metrics.range.want))),
    ];
    if metrics.differing() > 0 {
        facts.push(("differing", count(metrics.differing())));
        facts.push(("RMSE", rmse(metrics)));
        facts.push(("mean |Δ|", short(metrics.mean_abs)));
        facts.push(("max relative", short(metrics.max_relative)));
        facts.push(("PSNR", format!("{} dB", decibels(metrics.psnr_db))));
        facts.push(("Pearson", metrics.pearson.map_or_else(String::new, cosine)));
        facts.push(("sign flips", count(metrics.sign_flips)));
    }
    let sides = |got: u64, want: u64| format!("{} (golden {})", count(got), count(want));
    if let Some(s) = metrics.saturated {
        facts.push(("saturated", sides(s.got, s.want)));
    }
    let (nan, infinite) = (metrics.nan, metrics.infinite);
    if nan.got + nan.want + infinite.got + infinite.want > 0 {
        facts.push(("NaN", sides(nan.got, nan.want)));
        facts.push(("infinite", sides(infinite.got, infinite.want)));
    }
    if let Some(c) = metrics.classes {
        facts.push((
            "same best class",
            format!("{} of {} rows; in the top 5: {}", c.top1, c.rows, c.top5),
        ));
    }
    facts
}

fn rmse(metrics: &Metrics) -> String {
    let steps = metrics.steps.as_ref().map(|steps| format!(" = {} steps", short(steps.rmse)));
    short(metrics.rmse) + &steps.unwrap_or_default()
}

const LABELS: [&str; 9] = ["≤−4", "−3", "−2", "−1", "0", "+1", "+2", "+3", "≥+4"];

fn bars(histogram: &[u64; 9]) -> Vec<Bar> {
    let height = |n: u64| (n as f64).ln_1p();
    let highest = histogram.iter().copied().map(height).fold(1.0, f64::max);
    let bar = |(i, n): (usize, &u64)| Bar {
        label: LABELS[i],
        count: count(*n),
        // What is there has a height that one sees.
        height: if *n == 0 { 0 } else { (100.0 * height(*n) / highest).round().max(3.0) as u32 },
        class: if i == 4 { "zero" } else { "off" },
    };
    histogram.iter().enumerate().map(bar).collect()
}

impl Worst {
    fn of(element: &Element) -> Self {
        let delta = element.got - element.want;
        Self {
            index: format!("{:?}", element.index),
            got: exact(element.got),
            want: exact(element.want),
            delta: if delta > 0.0 { format!("+{}", short(delta)) } else { short(delta) },
        }
    }
}
