use vairun_compare::Sweep;

use crate::number::count;
use crate::style::{Style, Tone};
use crate::table::{Align, Table};

/// Every rounding on every quantizer: elements that differ from the golden.
pub fn sweep_table(sweep: &Sweep, style: &Style) -> String {
    let Some(first) = sweep.rows.first() else {
        return "rounding: the golden has no output of a quantizer to integers\n".to_owned();
    };
    const NAMES: [&str; 7] =
        ["half-up", "half-away", "floor", "mixed", "half-zero", "ceil", "half-even"];
    debug_assert!(first.differing.iter().map(|(name, _)| name.as_str()).eq(NAMES));
    let mut columns = vec![("quantizer", Align::Elastic), ("model", Align::Left)];
    columns.extend(NAMES.map(|name| (name, Align::Right)));
    let mut table = Table::new(&columns);
    for row in &sweep.rows {
        let own = row.own.clone().unwrap_or_else(|| "–".to_owned());
        let own_differs = row.differing.iter().any(|(name, left)| *name == own && *left > 0);
        let mut cells = vec![row.name.clone(), own];
        cells.extend(row.differing.iter().map(|(_, left)| count(*left)));
        table.row(if own_differs { Tone::Bad } else { Tone::Plain }, cells, "");
    }
    let verdict = match sweep.exact().as_slice() {
        [] => "no rounding gives every quantized tensor of the golden".to_owned(),
        exact => format!("every quantized tensor of the golden is that of {}", exact.join(" or ")),
    };
    format!(
        "elements that differ by rounding, each quantizer fed with the golden's tensors\n{}{verdict}\n",
        table.render(style)
    )
}

#[cfg(test)]
mod tests {
    use vairun_compare::SweepRow;

    use super::*;

    #[test]
    fn the_rounding_that_explains_everything_is_named() {
        let row = |name: &str, left: [u64; 7]| SweepRow {
            name: name.into(),
            own: Some("half-even".into()),
            differing: ["half-up", "half-away", "floor", "mixed", "half-zero", "ceil", "half-even"]
                .into_iter()
                .zip(left)
                .map(|(name, left)| (name.to_owned(), left))
                .collect(),
        };
        let sweep =
            Sweep { rows: vec![row("a", [0, 0, 9, 3, 3, 9, 2]), row("b", [0, 4, 9, 1, 5, 9, 0])] };
        let text = sweep_table(&sweep, &Style::default());
        assert!(
            text.ends_with("every quantized tensor of the golden is that of half-up\n"),
            "{text}"
        );
        assert!(sweep_table(&Sweep::default(), &Style::default()).contains("no output"));
    }
}
