use crate::style::{Style, Tone, elide, width};

/// Columns between two cells.
const GAP: usize = 2;

/// The least width that a cell with an elastic width gets.
const LEAST: usize = 16;

/// A table of text, as wide as the terminal at most: one column gives way.
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Row>,
}

pub(crate) struct Column {
    title: &'static str,
    align: Align,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
    /// Left, and shortened where the table is too wide.
    Elastic,
}

struct Row {
    cells: Vec<String>,
    tone: Tone,
    tail: String,
}

impl Table {
    pub(crate) fn new(columns: &[(&'static str, Align)]) -> Self {
        let column = |&(title, align): &(&'static str, Align)| Column { title, align };
        Self { columns: columns.iter().map(column).collect(), rows: Vec::new() }
    }

    /// Adds a row; `tail` follows the last column.
    pub(crate) fn row(&mut self, tone: Tone, cells: Vec<String>, tail: &str) {
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(Row { cells, tone, tail: tail.to_owned() });
    }

    pub(crate) fn render(&self, style: &Style) -> String {
        let widths = self.widths(style.width);
        let titles = self.columns.iter().map(|column| column.title.to_owned()).collect::<Vec<_>>();
        let mut text = Tone::Quiet.paint(style, &self.line(&titles, &widths)) + "\n";
        for row in &self.rows {
            let line = self.line(&row.cells, &widths);
            text += &row.tone.paint(style, &line);
            if !row.tail.is_empty() {
                text += "  ";
                text += &row.tail;
            }
            text.push('\n');
        }
        text
    }

    fn widths(&self, total: usize) -> Vec<usize> {
        let widest = |i: usize| {
            let cells = self.rows.iter().map(|row| width(&row.cells[i]));
            cells.chain([width(self.columns[i].title)]).max().unwrap_or(0)
        };
        let mut widths: Vec<usize> = (0..self.columns.len()).map(widest).collect();
        let tail = self.rows.iter().map(|row| width(&row.tail)).max().unwrap_or(0);
        let tail = if tail > 0 { tail + GAP } else { 0 };
        let needed = widths.iter().sum::<usize>() + GAP * widths.len() + tail;
        if let Some(i) = self.columns.iter().position(|column| column.align == Align::Elastic) {
            let excess = needed.saturating_sub(total);
            widths[i] = widths[i].saturating_sub(excess).max(LEAST.min(widths[i]));
        }
        widths
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for ((cell, column), &wide) in cells.iter().zip(&self.columns).zip(widths) {
            let cell =
                if column.align == Align::Elastic { elide(cell, wide) } else { cell.clone() };
            let space = " ".repeat(wide.saturating_sub(width(&cell)));
            line += &" ".repeat(GAP);
            match column.align {
                Align::Right => line += &format!("{space}{cell}"),
                _ => line += &format!("{cell}{space}"),
            }
        }
        line.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_terminal_shortens_the_elastic_column_alone() {
        let mut table =
            Table::new(&[("#", Align::Right), ("name", Align::Elastic), ("n", Align::Right)]);
        table.row(
            Tone::Plain,
            ["1", "/module_1/QuantizeLinear_output_0", "10"].map(str::to_owned).into(),
            "",
        );
        let text = table.render(&Style { width: 30, ..Style::default() });
        assert_eq!(text, "  #  name                    n\n  1  /module…near_output_0  10\n");
        assert!(text.lines().all(|line| width(line) <= 30));
    }

    #[test]
    fn colour_is_written_only_where_it_is_wanted() {
        let mut table = Table::new(&[("a", Align::Left)]);
        table.row(Tone::Bad, vec!["x".into()], "");
        assert!(!table.render(&Style::default()).contains('\x1b'));
        assert!(
            table.render(&Style { color: true, ..Style::default() }).contains("\x1b[31m  x\x1b[0m")
        );
    }
}
