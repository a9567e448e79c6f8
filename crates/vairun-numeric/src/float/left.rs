use super::tile::ROWS;
use super::vector::LANES;

/// The left operand of a product, packed in panels of up to `ROWS` rows: `[panels][terms][rows of the panel]`.
#[derive(Clone, Debug, Default)]
pub struct Left {
    /// Behind the last panel, a whole vector may be read.
    data: Vec<f32>,
    pub(super) rows: usize,
    pub(super) terms: usize,
}

impl Left {
    /// Packs `a`, `[rows, terms]`.
    ///
    /// # Panics
    /// Where `a` does not fill its shape.
    pub fn new(a: &[f32], rows: usize, terms: usize) -> Self {
        let mut packed = Self::default();
        packed.pack(a, rows, terms, (terms, 1));
        packed
    }

    /// Packs `a`, `[terms, rows]`.
    ///
    /// # Panics
    /// Where `a` does not fill its shape.
    pub fn transposed(a: &[f32], rows: usize, terms: usize) -> Self {
        let mut packed = Self::default();
        packed.pack(a, rows, terms, (1, rows));
        packed
    }

    /// Packs another operand into the same buffer; element `(row, term)` is `a[row · steps.0 + term · steps.1]`.
    pub(super) fn pack(&mut self, a: &[f32], rows: usize, terms: usize, steps: (usize, usize)) {
        assert_eq!(a.len(), rows * terms, "the elements fill {rows} × {terms}");
        (self.rows, self.terms) = (rows, terms);
        self.data.resize(rows * terms + LANES, 0.0);
        for panel in 0..panels(rows) {
            let (first, height) = span(rows, panel);
            let to = &mut self.data[first * terms..][..height * terms];
            if height == 1 && steps.1 == 1 {
                to.copy_from_slice(&a[first * steps.0..][..terms]);
                continue;
            }
            for (term, to) in to.chunks_exact_mut(height).enumerate() {
                let from = first * steps.0 + term * steps.1;
                to.iter_mut().enumerate().for_each(|(i, to)| *to = a[from + i * steps.0]);
            }
        }
    }

    /// The first row of a panel, its rows, and its elements from `term` on.
    pub(super) fn panel(&self, panel: usize, term: usize) -> (usize, usize, &[f32]) {
        let (first, height) = span(self.rows, panel);
        let whole = &self.data[first * self.terms..][..height * self.terms];
        (first, height, &whole[term * height..])
    }

    /// How many panels there are.
    pub(super) fn panels(&self) -> usize {
        panels(self.rows)
    }
}

fn panels(rows: usize) -> usize {
    rows.div_ceil(ROWS)
}

/// The first row of a panel and how many it has: as even as can be, so that no panel is left with a single row.
fn span(rows: usize, panel: usize) -> (usize, usize) {
    let panels = panels(rows);
    let (first, end) = (rows * panel / panels, rows * (panel + 1) / panels);
    (first, end - first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_hold_every_row_once_and_none_more_than_a_tile() {
        for rows in 1..100 {
            let spans: Vec<_> = (0..panels(rows)).map(|panel| span(rows, panel)).collect();
            assert!(spans.iter().all(|&(_, height)| (1..=ROWS).contains(&height)), "{spans:?}");
            let ends = spans.windows(2).all(|pair| pair[0].0 + pair[0].1 == pair[1].0);
            assert!(ends && spans.iter().map(|span| span.1).sum::<usize>() == rows, "{spans:?}");
        }
    }

    #[test]
    fn both_layouts_pack_to_the_same() {
        let (a, t) = ([1., 2., 3., 4., 5., 6.], [1., 4., 2., 5., 3., 6.]);
        let (a, t) = (Left::new(&a, 2, 3), Left::transposed(&t, 2, 3));
        assert_eq!((a.panel(0, 1), t.data.as_slice()), ((0, 2, &a.data[2..6]), &*a.data));
        assert_eq!(a.data[..6], [1., 4., 2., 5., 3., 6.]);
    }
}
