use vairun_compare::Channels;

use crate::number::{count, plural, short};

/// Cells of a strip at most; more channels share cells.
const CELLS: usize = 96;

/// The differences of each channel, as a row of cells.
pub(super) struct Strip {
    pub(super) axis: usize,
    pub(super) channels: usize,
    pub(super) width: usize,
    pub(super) cells: Vec<Cell>,
    /// `channel 37 is the worst: …`
    pub(super) worst: String,
    pub(super) differing: usize,
}

/// One or more channels that differ.
pub(super) struct Cell {
    pub(super) x: usize,
    /// 0.15 to 1, by the largest |Δ| on a logarithmic scale.
    pub(super) opacity: String,
    pub(super) title: String,
}

impl Strip {
    pub(super) fn of(channels: &Channels) -> Self {
        let n = channels.max_abs.len();
        let group = n.div_ceil(CELLS).max(1);
        let largest = channels.max_abs.iter().copied().fold(0.0, f64::max);
        let cells = (0..n.div_ceil(group)).filter_map(|x| {
            let range = x * group..n.min((x + 1) * group);
            cell(channels, x, range, largest)
        });
        let text = |i: usize| describe(channels, i..i + 1);
        Self {
            axis: channels.axis,
            channels: n,
            width: n.div_ceil(group),
            cells: cells.collect(),
            worst: if channels.worst < n { text(channels.worst) } else { String::new() },
            differing: channels.differing.iter().filter(|n| **n > 0).count(),
        }
    }
}

fn cell(
    channels: &Channels,
    x: usize,
    range: std::ops::Range<usize>,
    largest: f64,
) -> Option<Cell> {
    if channels.differing[range.clone()].iter().all(|n| *n == 0) {
        return None;
    }
    let here = channels.max_abs[range.clone()].iter().copied().fold(0.0, f64::max);
    Some(Cell { x, opacity: faint(opacity(here, largest)), title: describe(channels, range) })
}

/// `.35` rather than `0.35`: there are many.
fn faint(opacity: f64) -> String {
    format!("{opacity:.2}").trim_start_matches('0').to_owned()
}

/// Three decades from faint to full.
fn opacity(here: f64, largest: f64) -> f64 {
    if !here.is_finite() || here >= largest {
        return 1.0;
    }
    let decades = (largest.min(f64::MAX) / here.max(f64::MIN_POSITIVE)).log10();
    (1.0 - decades / 3.0).clamp(0.15, 1.0)
}

fn describe(channels: &Channels, range: std::ops::Range<usize>) -> String {
    let differing = channels.differing[range.clone()].iter().sum();
    let most = channels.max_abs[range.clone()].iter().copied().fold(0.0, f64::max);
    let which = match range.len() {
        1 => format!("channel {}", range.start),
        n => format!("channels {}–{} ({})", range.start, range.end - 1, plural(n, "channel")),
    };
    format!("{which}: {} differ, max |Δ| {}", count(differing), short(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channels(max_abs: Vec<f64>) -> Channels {
        let differing = max_abs.iter().map(|abs| u64::from(*abs > 0.0)).collect();
        Channels { axis: 1, worst: 0, differing, max_abs }
    }

    #[test]
    fn channels_that_are_equal_have_no_cell() {
        let strip = Strip::of(&channels(vec![2.0, 0.0, 0.002]));
        let cells: Vec<_> = strip.cells.iter().map(|c| (c.x, c.opacity.as_str())).collect();
        assert_eq!(cells, [(0, "1.00"), (2, ".15")]);
        assert_eq!(strip.worst, "channel 0: 1 differ, max |Δ| 2");
        assert_eq!(strip.differing, 2);
    }

    #[test]
    fn many_channels_share_cells_and_none_is_lost() {
        let mut most = vec![0.0; 1000];
        most[999] = 1.0;
        let strip = Strip::of(&channels(most));
        assert!(strip.width <= CELLS);
        assert_eq!(strip.cells.len(), 1);
        assert!(strip.cells[0].title.contains("–999"), "{}", strip.cells[0].title);
    }

    #[test]
    fn infinities_and_nan_are_full() {
        let strip = Strip::of(&channels(vec![f64::INFINITY, 1.0]));
        assert_eq!(strip.cells[0].opacity, "1.00");
    }
}
