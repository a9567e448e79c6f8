use vairun_compare::{Comparison, Metrics, Record, Report, Sides};

use crate::words;

/// One row for each tensor, in execution order, with a header: for spreadsheets and data frames.
///
/// RFC 4180 but for the line ends. Numbers are written in full; `inf`, `-inf` and `NaN` as those read them. What was not
/// measured is empty. The bins of the histogram are the columns `steps_le_-4` … `steps_ge_4`.
pub fn csv(report: &Report) -> String {
    let header = line(COLUMNS.iter().map(|(name, _)| (*name).to_owned()));
    let rows =
        report.records.iter().map(|record| line(COLUMNS.iter().map(|(_, cell)| cell(record))));
    std::iter::once(header).chain(rows).collect()
}

fn line(cells: impl Iterator<Item = String>) -> String {
    cells.map(quoted).collect::<Vec<_>>().join(",") + "\n"
}

fn quoted(text: String) -> String {
    let needs_quotes = text.contains([',', '"', '\n', '\r']);
    if needs_quotes { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

type Cell = fn(&Record) -> String;

/// The columns and what stands in them. New ones are added at the end.
const COLUMNS: [(&str, Cell); 43] = [
    ("order", |r| r.order.to_string()),
    ("name", |r| r.name.clone()),
    ("status", |r| words::status(r.status).to_owned()),
    ("node", |r| r.node.clone()),
    ("op", |r| r.op.clone()),
    ("role", |r| format!("{:?}", r.role).to_lowercase()),
    ("dtype", |r| r.dtype.clone()),
    ("shape", |r| list(&r.shape)),
    ("scale", |r| r.quantizer.as_ref().map_or_else(String::new, |q| q.describe_scale())),
    ("golden", |r| r.golden.name.clone()),
    ("read_as", |r| r.golden.read_as.clone()),
    ("matched_by", |r| r.golden.matched_by.clone()),
    ("rule", |r| r.comparison().map_or_else(String::new, |c| c.verdict.rule.clone())),
    ("reasons", |r| r.comparison().map_or_else(String::new, |c| c.verdict.reasons.join("; "))),
    ("cumulative", |r| pass(r.cumulative.as_ref())),
    ("isolated", |r| pass(r.isolated.as_ref())),
    ("elements", |r| of(r, |m| m.elements.to_string())),
    ("differing", |r| of(r, |m| m.differing().to_string())),
    ("equal_percent", |r| of(r, |m| m.equal_percent().to_string())),
    ("beyond", |r| of(r, |m| m.beyond.to_string())),
    ("max_abs", |r| of(r, |m| m.max_abs.to_string())),
    ("mean_abs", |r| of(r, |m| m.mean_abs.to_string())),
    ("max_relative", |r| of(r, |m| m.max_relative.to_string())),
    ("rmse", |r| of(r, |m| m.rmse.to_string())),
    ("max_steps", |r| steps(r, |s| s.max.to_string())),
    ("rmse_steps", |r| steps(r, |s| s.rmse.to_string())),
    ("steps_le_-4", |r| bin(r, 0)),
    ("steps_-3", |r| bin(r, 1)),
    ("steps_-2", |r| bin(r, 2)),
    ("steps_-1", |r| bin(r, 3)),
    ("steps_0", |r| bin(r, 4)),
    ("steps_1", |r| bin(r, 5)),
    ("steps_2", |r| bin(r, 6)),
    ("steps_3", |r| bin(r, 7)),
    ("steps_ge_4", |r| bin(r, 8)),
    ("sqnr_db", |r| of(r, |m| m.sqnr_db.to_string())),
    ("psnr_db", |r| of(r, |m| m.psnr_db.to_string())),
    ("cosine", |r| of(r, |m| m.cosine.to_string())),
    ("pearson", |r| of(r, |m| m.pearson.map_or_else(String::new, |p| p.to_string()))),
    ("nan", |r| of(r, |m| sides(m.nan))),
    ("infinite", |r| of(r, |m| sides(m.infinite))),
    ("saturated", |r| of(r, |m| m.saturated.map_or_else(String::new, sides))),
    ("worst", |r| of(r, worst)),
];

fn of(record: &Record, text: impl Fn(&Metrics) -> String) -> String {
    let metrics = record.comparison().and_then(|comparison| comparison.metrics.as_ref());
    metrics.map_or_else(String::new, text)
}

fn steps(record: &Record, text: impl Fn(&vairun_compare::Steps) -> String) -> String {
    of(record, |metrics| metrics.steps.as_ref().map_or_else(String::new, &text))
}

fn bin(record: &Record, i: usize) -> String {
    steps(record, |steps| steps.histogram[i].to_string())
}

fn pass(comparison: Option<&Comparison>) -> String {
    comparison.map_or("", |c| if c.pass() { "pass" } else { "fail" }).to_owned()
}

/// `got/want`
fn sides(sides: Sides<u64>) -> String {
    format!("{}/{}", sides.got, sides.want)
}

/// `[0 3 7] got 1 want 2`
fn worst(metrics: &Metrics) -> String {
    let text =
        |e: &vairun_compare::Element| format!("{} got {} want {}", list(&e.index), e.got, e.want);
    metrics.worst.first().map_or_else(String::new, text)
}

fn list(numbers: &[usize]) -> String {
    let texts: Vec<_> = numbers.iter().map(usize::to_string).collect();
    format!("[{}]", texts.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn there_is_a_row_for_each_tensor() {
        let report = fixture::failing();
        let text = csv(&report);
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
        assert_eq!(rows.len(), report.records.len() + 1);
        assert!(rows.iter().all(|row| row.len() == COLUMNS.len()), "{text}");
        let cell = |row: usize, name: &str| {
            rows[row][rows[0].iter().position(|title| *title == name).unwrap()]
        };
        assert_eq!(cell(1, "name"), "x");
        assert_eq!((cell(2, "status"), cell(2, "cumulative")), ("guilty", "fail"));
        assert_eq!((cell(2, "steps_-1"), cell(2, "differing")), ("1", "1"));
        assert_eq!(cell(2, "worst"), "[0 1] got 2 want 3");
        assert_eq!(cell(1, "sqnr_db"), "inf");
    }

    #[test]
    fn texts_with_commas_quotes_and_line_ends_are_quoted() {
        assert_eq!(quoted("a,\"b\"\nc".into()), "\"a,\"\"b\"\"\nc\"");
        assert_eq!(quoted("a b".into()), "a b");
    }
}
