use std::collections::HashMap;

use vairun_graph::{Node, ValueId};
use vairun_numeric::kernel::{Formula, Grid, Narrow, Stored, Term};
use vairun_ops::Arithmetic;

use super::requantized::{agrees, agrees_on};
use super::roles::Role;
use super::run::Run;
use crate::plan::Kernel;

/// What the terms of a formula cost at most ([`Term::cost`]): a table of 16 bits, most of which is in no near cache, is
/// read in the time of about ten.
const COST: usize = 8;

/// The formula of the results `table` of all codes of 16 bits of slot `root`, and how they become codes of slot `id`;
/// `None` where it is not known, or longer than the table takes, or has another result for a code.
pub(super) fn of_codes<C: Stored>(
    run: &Run,
    id: ValueId,
    root: ValueId,
    table: &[C],
) -> Option<(Formula, Narrow)> {
    let mut reader = Reader::new(run, root);
    run.slot(id).nodes.iter().try_for_each(|&i| reader.node(i))?;
    let (narrow, x) = *reader.codes.get(&id)?;
    let formula = reader.formula(x)?;
    let computed = |x: &[i16], out: &mut [C]| formula.codes(run.isa(), &narrow, x, out);
    agrees(run, root, table, computed).then_some((formula, narrow))
}

/// The same for results that are numbers, by these nodes from slot `root` to value `id`.
pub(super) fn of_numbers(
    run: &Run,
    id: ValueId,
    root: ValueId,
    nodes: &[usize],
    numbers: &[f32],
) -> Option<Formula> {
    let mut reader = Reader::new(run, root);
    nodes.iter().try_for_each(|&i| reader.node(i))?;
    let x = reader.value(id)?;
    let formula = reader.formula(x)?;
    let computed = |x: &[i16], out: &mut [f32]| formula.numbers(run.isa(), x, out);
    let same = |a: &f32, b: &f32| a.to_bits() == b.to_bits();
    agrees_on(run, root, numbers, computed, same).then_some(formula)
}

/// Reads nodes as terms of a formula.
struct Reader<'a, 'r> {
    run: &'a Run<'r>,
    root: ValueId,
    grid: Option<Grid>,
    terms: Vec<Term>,
    values: HashMap<ValueId, usize>,
    /// Codes on the way, by the value that they are made of.
    codes: HashMap<ValueId, (Narrow, usize)>,
    /// Numbers of codes that nobody has read yet.
    rounded: HashMap<ValueId, Term>,
}

impl<'a, 'r> Reader<'a, 'r> {
    fn new(run: &'a Run<'r>, root: ValueId) -> Self {
        let grid = run.slot(root).grid;
        let values = grid.iter().map(|_| (root, 0)).collect();
        let (terms, codes, rounded) = Default::default();
        Self { run, root, grid, terms, values, codes, rounded }
    }

    /// `None` for a node whose function is not known.
    fn node(&mut self, i: usize) -> Option<()> {
        let (node, step) = (&self.run.plan.graph.nodes[i], &self.run.plan.steps[i]);
        let (Kernel::Each(operator), &[Some(y)]) = (&step.kernel, &node.outputs[..]) else {
            return None;
        };
        let parameters = self.run.plan.parameters(node);
        if let Some(quantizer) = operator.quantizer(&parameters) {
            let x = self.value((*node.inputs.first()?)?)?;
            let slot = &self.run.fused.slots.get(&y)?.slot;
            self.codes.insert(y, (slot.storage.narrow(&quantizer)?, x));
            if let Some(grid) = slot.grid {
                self.dequantized(y, y, grid)?;
            }
            return Some(());
        }
        if let Role::Reals(view) = self.run.role(y) {
            return self.dequantized(y, view.slot, view.grid);
        }
        let term = self.term(node, operator.arithmetic(&parameters)?)?;
        self.push(y, term);
        Some(())
    }

    /// Value `y` is the numbers of the codes of `slot`.
    fn dequantized(&mut self, y: ValueId, slot: ValueId, grid: Grid) -> Option<()> {
        if slot == self.root {
            self.values.insert(y, 0);
            return (*self.grid.get_or_insert(grid) == grid).then_some(());
        }
        let (narrow, x) = *self.codes.get(&slot)?;
        self.rounded.insert(y, Term::Rounded(narrow, grid, x));
        Some(())
    }

    fn term(&mut self, node: &Node, arithmetic: Arithmetic) -> Option<Term> {
        let mut input = |i: usize| -> Option<Operand> {
            let id = (*node.inputs.get(i)?)?;
            match self.run.plan.constants.known(id) {
                Some(tensor) => tensor.as_scalar::<f32>().copied().map(Operand::Number),
                None => self.value(id).map(Operand::Value),
            }
        };
        Some(match arithmetic {
            Arithmetic::Unary(f) => match input(0)? {
                Operand::Value(x) => Term::Unary(f, x),
                Operand::Number(_) => return None,
            },
            Arithmetic::Binary(f) => match (input(0)?, input(1)?) {
                (Operand::Value(a), Operand::Value(b)) => Term::Pair(f, a, b),
                (Operand::Value(x), Operand::Number(y)) => Term::Beside { f, x, y, swapped: false },
                (Operand::Number(y), Operand::Value(x)) => Term::Beside { f, x, y, swapped: true },
                (Operand::Number(_), Operand::Number(_)) => return None,
            },
        })
    }

    /// The value that the numbers of `id` are.
    fn value(&mut self, id: ValueId) -> Option<usize> {
        match self.values.get(&id) {
            Some(&value) => Some(value),
            None => {
                let term = self.rounded.remove(&id)?;
                Some(self.push(id, term))
            }
        }
    }

    fn push(&mut self, id: ValueId, term: Term) -> usize {
        self.terms.push(term);
        self.values.insert(id, self.terms.len());
        self.terms.len()
    }

    /// The formula whose result is value `x`.
    fn formula(&self, x: usize) -> Option<Formula> {
        let cost: usize = self.terms.iter().map(|term| term.cost()).sum();
        let fits = x == self.terms.len() && cost <= COST;
        Formula::new(self.grid.filter(|_| fits)?, &self.terms)
    }
}

#[derive(Clone, Copy)]
enum Operand {
    Value(usize),
    Number(f32),
}
