use super::tile::COLUMNS;

/// The right operand of a product, packed in panels of `COLUMNS` columns: `[panels][terms][columns]`, zeros behind
/// the last column.
#[derive(Clone, Debug, Default)]
pub struct Right {
    data: Vec<f32>,
    pub(super) columns: usize,
    pub(super) terms: usize,
}

impl Right {
    /// Packs `b`, `[terms, columns]`.
    ///
    /// # Panics
    /// Where `b` does not fill its shape.
    pub fn new(b: &[f32], terms: usize, columns: usize) -> Self {
        let mut packed = Self::default();
        packed.pack(b, terms, columns);
        packed
    }

    /// Packs `b`, `[columns, terms]`.
    ///
    /// # Panics
    /// Where `b` does not fill its shape.
    pub fn transposed(b: &[f32], terms: usize, columns: usize) -> Self {
        let mut packed = Self::default();
        packed.pack_transposed(b, terms, columns);
        packed
    }

    /// Packs another operand into the same buffer.
    pub(super) fn pack(&mut self, b: &[f32], terms: usize, columns: usize) {
        self.reshape(b.len(), terms, columns);
        for (term, row) in b.chunks_exact(columns.max(1)).enumerate() {
            for (panel, from) in row.chunks(COLUMNS).enumerate() {
                let to = &mut self.data[(panel * terms + term) * COLUMNS..][..COLUMNS];
                to[..from.len()].copy_from_slice(from);
                to[from.len()..].fill(0.0);
            }
        }
    }

    pub(super) fn pack_transposed(&mut self, b: &[f32], terms: usize, columns: usize) {
        self.reshape(b.len(), terms, columns);
        for (panel, to) in self.data.chunks_exact_mut((terms * COLUMNS).max(1)).enumerate() {
            let first = panel * COLUMNS;
            let from = &b[first * terms..][..COLUMNS.min(columns - first) * terms];
            for (term, to) in to.chunks_exact_mut(COLUMNS).enumerate() {
                to.fill(0.0);
                from.iter().skip(term).step_by(terms).zip(to).for_each(|(&from, to)| *to = from);
            }
        }
    }

    fn reshape(&mut self, given: usize, terms: usize, columns: usize) {
        assert_eq!(given, terms * columns, "the elements fill {terms} × {columns}");
        (self.terms, self.columns) = (terms, columns);
        self.data.resize(columns.div_ceil(COLUMNS) * COLUMNS * terms, 0.0);
    }

    /// The elements from `panel` and its `term` on.
    pub(super) fn from(&self, panel: usize, term: usize) -> &[f32] {
        &self.data[(panel * self.terms + term) * COLUMNS..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_layouts_pack_to_the_same() {
        let b: Vec<f32> = (0..3 * 18).map(|i| i as f32).collect();
        let t: Vec<f32> = (0..18 * 3).map(|i| (i % 3 * 18 + i / 3) as f32).collect();
        let (b, t) = (Right::new(&b, 3, 18), Right::transposed(&t, 3, 18));
        assert_eq!(b.data, t.data);
        assert_eq!(b.from(1, 2)[..3], [52.0, 53.0, 0.0]);
    }
}
