use vairun_compare::{Comparison, Report, Status};

use crate::words;

/// Units of the picture's height; its width has one for each tensor.
const HEIGHT: f64 = 100.0;

/// Free units above the highest and below the lowest mark.
const MARGIN: f64 = 9.0;

/// The error of each tensor along the execution order.
///
/// It is the root of the noise-to-signal ratio, `sqrt(Σ Δ² / Σ want²)`, on a logarithmic scale: the one measure that
/// codes, dequantized numbers and floats share. Equal tensors lie on the ground, those that cannot be compared on top.
pub(super) struct Chart {
    pub(super) width: usize,
    pub(super) points: Vec<Point>,
    pub(super) line: String,
    pub(super) ticks: Vec<Tick>,
    /// Where the first failing tensor is, in percent of the width, and its name.
    pub(super) first: Option<(String, String)>,
    pub(super) last: String,
    pub(super) start: String,
    pub(super) has_isolated: bool,
}

pub(super) struct Point {
    pub(super) place: usize,
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) status: &'static str,
    /// The height of the node's own error, where it was measured and is not zero.
    pub(super) isolated: Option<f64>,
    pub(super) title: String,
}

/// A line of the scale.
pub(super) struct Tick {
    pub(super) y: f64,
    pub(super) label: String,
}

/// How large an error is.
#[derive(Clone, Copy, PartialEq)]
enum Size {
    Equal,
    /// Decades: -2 is an error of 1 % of the signal.
    Decades(f64),
    Incomparable,
}

/// The decades that the picture shows.
struct Scale {
    low: f64,
    high: f64,
}

impl Chart {
    /// `None` where there is nothing to draw.
    pub(super) fn of(report: &Report) -> Option<Self> {
        let records = &report.records;
        let sizes = || {
            let all = records.iter().flat_map(|r| [&r.cumulative, &r.isolated]).flatten();
            all.map(Size::of)
        };
        if sizes().all(|size| size == Size::Equal) && report.passed() {
            return None;
        }
        let scale = Scale::of(sizes());
        let point = |(i, record): (usize, &vairun_compare::Record)| {
            let size = record.comparison().map_or(Size::Incomparable, Size::of);
            let own = record.isolated.as_ref().map(Size::of).filter(|size| *size != Size::Equal);
            Point {
                place: i,
                x: i as f64 + 0.5,
                y: scale.y(size),
                status: words::status(record.status),
                isolated: own.map(|size| scale.y(size)),
                title: format!("{} · {}", record.name, describe(size)),
            }
        };
        let points: Vec<_> = records.iter().enumerate().map(point).collect();
        let first = report.first_failing();
        let place = first.and_then(|f| records.iter().position(|r| r.name == f.name));
        let name = |record: Option<&vairun_compare::Record>| {
            record.map_or_else(String::new, |r| r.name.clone())
        };
        Some(Self {
            width: records.len(),
            line: path(&points),
            ticks: scale.ticks(),
            first: place.map(|i| {
                (format!("{:.2}", 100.0 * (i as f64 + 0.5) / records.len() as f64), name(first))
            }),
            start: name(records.first()),
            last: name(records.last()),
            has_isolated: records.iter().any(|record| record.isolated.is_some()),
            points,
        })
    }
}

impl Size {
    fn of(comparison: &Comparison) -> Self {
        match &comparison.metrics {
            Some(metrics) if metrics.differing() == 0 => Self::Equal,
            // Only signs of zeros differ, or the golden is zero throughout.
            Some(metrics) if metrics.one_sided == 0 && metrics.sqnr_db == f64::INFINITY => {
                Self::Equal
            }
            Some(metrics) if metrics.one_sided == 0 && metrics.sqnr_db.is_finite() => {
                Self::Decades(-metrics.sqnr_db / 20.0)
            }
            Some(metrics) if metrics.one_sided == 0 && metrics.sqnr_db == f64::NEG_INFINITY => {
                Self::Decades(f64::INFINITY)
            }
            _ => Self::Incomparable,
        }
    }
}

fn describe(size: Size) -> String {
    match size {
        Size::Equal => "equal".to_owned(),
        Size::Decades(decades) => format!("error {} of the signal", share(decades)),
        Size::Incomparable => "not comparable".to_owned(),
    }
}

/// Decades as a share: `1.2 %`
fn share(decades: f64) -> String {
    if decades == f64::INFINITY {
        return "∞ %".to_owned();
    }
    format!("{} %", crate::number::short(100.0 * 10f64.powf(decades)))
}

impl Scale {
    /// Whole decades around all that is finite, three at least, twelve at most.
    fn of(sizes: impl Iterator<Item = Size>) -> Self {
        let finite = sizes.filter_map(|size| match size {
            Size::Decades(decades) if decades.is_finite() => Some(decades),
            _ => None,
        });
        let (low, high) = finite
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), d| (low.min(d), high.max(d)));
        let high = if high.is_finite() { high.ceil() } else { 0.0 };
        let low = if low.is_finite() { low.floor() } else { -3.0 };
        Self { low: low.min(high - 3.0).max(high - 12.0), high }
    }

    fn y(&self, size: Size) -> f64 {
        let y = match size {
            Size::Equal => HEIGHT - 1.5,
            Size::Incomparable => 1.5,
            Size::Decades(decades) => {
                let part = (decades.clamp(self.low, self.high) - self.low) / (self.high - self.low);
                HEIGHT - MARGIN - part * (HEIGHT - 2.0 * MARGIN)
            }
        };
        (y * 100.0).round() / 100.0
    }

    /// Each decade, or every second or third of many.
    fn ticks(&self) -> Vec<Tick> {
        let (low, high) = (self.low as i32, self.high as i32);
        let step = ((high - low) as usize).div_ceil(5).max(1);
        let decade = |decade: i32| Tick {
            y: self.y(Size::Decades(f64::from(decade))),
            label: share(f64::from(decade)),
        };
        let ground = Tick { y: self.y(Size::Equal), label: "equal".to_owned() };
        let decades = (low..=high).rev().step_by(step).filter(|d| *d != low || step == 1);
        decades.map(decade).chain([ground]).collect()
    }
}

fn path(points: &[Point]) -> String {
    points.iter().map(|point| format!("{},{}", point.x, point.y)).collect::<Vec<_>>().join(" ")
}

/// Whether a tensor has a place of its own in the picture's key.
impl Point {
    pub(super) fn fails(&self) -> bool {
        self.status != words::status(Status::Pass)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn equal_tensors_lie_on_the_ground_and_missing_ones_on_top() {
        let chart = Chart::of(&fixture::failing()).unwrap();
        let ys: Vec<_> = chart.points.iter().map(|point| point.y).collect();
        assert_eq!((ys[0], ys[3]), (98.5, 1.5));
        assert!(ys[1] > ys[0].min(ys[3]) && ys[1] < 98.5, "{ys:?}");
        assert_eq!(chart.first, Some(("37.50".into(), "y".into())));
        assert!(chart.has_isolated && chart.points[1].isolated.is_some());
        assert_eq!(chart.points[2].isolated, None, "it only inherits");
    }

    #[test]
    fn there_is_no_picture_of_nothing() {
        assert!(Chart::of(&fixture::passing()).is_none());
    }

    #[test]
    fn the_scale_has_whole_decades() {
        let scale = Scale::of([Size::Decades(-1.5), Size::Decades(-4.2)].into_iter());
        assert_eq!((scale.low, scale.high), (-5.0, -1.0));
        let labels: Vec<_> = scale.ticks().into_iter().map(|tick| tick.label).collect();
        assert_eq!(labels, ["10 %", "1 %", "0.1 %", "0.01 %", "0.001 %", "equal"]);
        assert_eq!(scale.y(Size::Decades(f64::INFINITY)), MARGIN);
    }
}
