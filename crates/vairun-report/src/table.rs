use crate::style::{Style, Tone, elide, width};

/// Columns between two cells.
const GAP: usize = 2;

/// The least width that a cell with an elastic width gets.
const LEAST: usize = 16;

/// What it gets as long as there are columns that the table can do without: names are worth more than numbers.
const COMFORTABLE: usize = 34;

/// A table of text, as wide as the terminal at most: one column is shortened, then columns are left out.
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Row>,
    expendable: Vec<&'static str>,
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
        Self {
            columns: columns.iter().map(column).collect(),
            rows: Vec::new(),
            expendable: Vec::new(),
        }
    }

    /// The columns that a narrow terminal does without, the first of them first.
    pub(crate) fn expendable(mut self, titles: &[&'static str]) -> Self {
        self.expendable = titles.to_vec();
        self
    }

    /// Adds a row; `tail` follows the last column.
    pub(crate) fn row(&mut self, tone: Tone, cells: Vec<String>, tail: &str) {
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(Row { cells, tone, tail: tail.to_owned() });
    }

    pub(crate) fn render(&self, style: &Style) -> String {
        let shown = self.shown(style.width);
        let widths = self.widths(&shown, style.width);
        let titles = self.columns.iter().map(|column| column.title.to_owned()).collect::<Vec<_>>();
        let mut text = Tone::Quiet.paint(style, &self.line(&titles, &shown, &widths)) + "\n";
        for row in &self.rows {
            let line = self.line(&row.cells, &shown, &widths);
            text += &row.tone.paint(style, &line);
            if !row.tail.is_empty() {
                text += "  ";
                text += &row.tail;
            }
            text.push('\n');
        }
        text
    }

    /// The columns that fit.
    fn shown(&self, total: usize) -> Vec<usize> {
        let mut shown: Vec<usize> = (0..self.columns.len()).collect();
        for title in &self.expendable {
            let least = |&i: &usize| match self.columns[i].align {
                Align::Elastic => COMFORTABLE.min(self.widest(i)),
                _ => self.widest(i),
            };
            let needed = shown.iter().map(|i| GAP + least(i)).sum::<usize>() + self.tail();
            if needed <= total {
                break;
            }
            shown.retain(|&i| self.columns[i].title != *title);
        }
        shown
    }

    fn widest(&self, column: usize) -> usize {
        let cells = self.rows.iter().map(|row| width(&row.cells[column]));
        cells.chain([width(self.columns[column].title)]).max().unwrap_or(0)
    }

    /// Columns that the widest tail takes.
    fn tail(&self) -> usize {
        let tail = self.rows.iter().map(|row| width(&row.tail)).max().unwrap_or(0);
        if tail > 0 { tail + GAP } else { 0 }
    }

    fn widths(&self, shown: &[usize], total: usize) -> Vec<usize> {
        let mut widths: Vec<usize> = (0..self.columns.len()).map(|i| self.widest(i)).collect();
        let needed = shown.iter().map(|&i| GAP + widths[i]).sum::<usize>() + self.tail();
        if let Some(i) = self.columns.iter().position(|column| column.align == Align::Elastic) {
            let excess = needed.saturating_sub(total);
            widths[i] = widths[i].saturating_sub(excess).max(LEAST.min(widths[i]));
        }
        widths
    }

    fn line(&self, cells: &[String], shown: &[usize], widths: &[usize]) -> String {
        let mut line = String::new();
        for &i in shown {
            let (cell, column, wide) = (&cells[i], &self.columns[i], widths[i]);
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
        assert_eq!(text, "  #  name                    n\n  1  /module_1/…izeLinear_  10\n");
        assert!(text.lines().all(|line| width(line) <= 30));
    }

    #[test]
    fn what_is_expendable_goes_where_that_is_not_enough() {
        let columns = [("name", Align::Elastic), ("a", Align::Right), ("b", Align::Right)];
        let mut table = Table::new(&columns).expendable(&["b", "a"]);
        table.row(
            Tone::Plain,
            ["a_long_name_of_a_tensor", "12345", "67890"].map(str::to_owned).into(),
            "",
        );
        let titles = |width| {
            let text = table.render(&Style { width, ..Style::default() });
            text.lines().next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(titles(40), "name a b");
        assert_eq!(titles(35), "name a");
        assert_eq!(titles(20), "name");
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
