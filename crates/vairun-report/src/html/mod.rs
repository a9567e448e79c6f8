//! The report as one HTML file.
//!
//! Everything that is said is in the markup; the script only sorts, filters and folds, so the page reads without it. A
//! content security policy forbids every connection.

mod chart;
mod graph;
mod row;
mod strip;

use askama::Template;
use vairun_compare::{Mode, Report};

use crate::words;
use chart::Chart;
use graph::Picture;
use row::Row;

/// The report as one HTML file that needs no network: the verdict, the first guilty tensor with its neighbourhood, the
/// error along the execution order, and a table of all tensors to sort, filter and open.
pub fn html(report: &Report) -> String {
    Page::of(report).render().expect("writing to memory does not fail")
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    report: &'a Report,
    headline: String,
    cards: Vec<Card>,
    chart: Option<Chart>,
    picture: Option<Picture>,
    first: Option<Row>,
    rows: Vec<Row>,
    filters: Vec<Filter>,
}

/// A number of the summary.
struct Card {
    value: usize,
    label: &'static str,
    class: &'static str,
}

/// A choice of rows.
struct Filter {
    name: &'static str,
    title: &'static str,
    count: usize,
}

impl<'a> Page<'a> {
    fn of(report: &'a Report) -> Self {
        let rows: Vec<_> =
            report.records.iter().enumerate().map(|(i, record)| Row::of(i, record)).collect();
        let first = report.first_failing().and_then(|first| {
            let place = report.records.iter().position(|record| record.name == first.name)?;
            Some(Row::of(place, first))
        });
        Self {
            report,
            headline: headline(report),
            cards: cards(report),
            chart: Chart::of(report),
            picture: report.around.as_ref().map(|around| Picture::of(around, report)),
            filters: filters(&rows),
            first,
            rows,
        }
    }

    fn mode(&self) -> &'static str {
        match self.report.mode {
            Mode::Both => "as the model runs, and each node fed with the golden's tensors",
            Mode::Cumulative => "as the model runs",
            Mode::Isolated => "each node fed with the golden's tensors",
        }
    }
}

/// What the verdict says beside its word.
fn headline(report: &Report) -> String {
    let verdict = words::verdict(report);
    verdict.split_once(" · ").map_or_else(String::new, |(_, rest)| rest.to_owned())
}

fn cards(report: &Report) -> Vec<Card> {
    let summary = &report.summary;
    let bad = |value: usize, class| if value > 0 { class } else { "" };
    let all = [
        (summary.compared, "compared", ""),
        (summary.passed, "pass", bad(summary.passed, "good")),
        (summary.guilty, "guilty", bad(summary.guilty, "bad")),
        (summary.inherited, "inherited", bad(summary.inherited, "warn")),
        (other_failures(report), "fail otherwise", "bad"),
        (summary.inputs_differ, "inputs differ", "bad"),
        (report.unmatched.len(), "unmatched", "warn"),
    ];
    let always = |label| matches!(label, "compared" | "pass" | "guilty");
    let shown = all.into_iter().filter(|(value, label, _)| *value > 0 || always(*label));
    shown.map(|(value, label, class)| Card { value, label, class }).collect()
}

fn other_failures(report: &Report) -> usize {
    let summary = &report.summary;
    summary.compared - summary.passed - summary.guilty - summary.inherited
}

fn filters(rows: &[Row]) -> Vec<Filter> {
    let count = |name: &str| rows.iter().filter(|row| row.status == name).count();
    let failing = rows.iter().filter(|row| row.status != "pass").count();
    let all = [
        ("all", "all", rows.len()),
        ("failing", "failing", failing),
        ("guilty", "guilty", count("guilty")),
        ("inherited", "inherited", count("inherited")),
        ("pass", "pass", count("pass")),
    ];
    let some = all.into_iter().filter(|(name, _, count)| *name == "all" || *count > 0);
    some.map(|(name, title, count)| Filter { name, title, count }).collect()
}

#[cfg(test)]
mod browser;
#[cfg(test)]
mod tests;
