use vairun_graph::ValueId;
use vairun_numeric::kernel::{Grid, Requantize, Stored};

use super::roles::Role;
use super::run::Run;
use crate::plan::Kernel;

/// The arithmetic that gives the results `table` of all codes of 16 bits of slot `root`, where there is one: the number
/// of a code on its grid, quantized, cut to the range of the results. Clamps are of that kind, and quantizers alone.
///
/// A table of 16 bits leaves the nearest cache; arithmetic reads nothing. Which functions it stands for is not asked: all
/// results are compared.
pub(super) fn requantized<C: Stored>(
    run: &Run,
    id: ValueId,
    root: ValueId,
    table: &[C],
) -> Option<Requantize> {
    let slot = run.slot(id);
    let last = *slot.nodes.last()?;
    let Kernel::Each(operator) = &run.plan.steps[last].kernel else { return None };
    let parameters = run.plan.parameters(&run.plan.graph.nodes[last]);
    let narrow = slot.storage.narrow(&operator.quantizer(&parameters)?)?;
    let (low, high) = run.slot(root).storage.range;
    let results = table.get(place(low)..=place(high))?;
    let ends = results.iter().min().zip(results.iter().max());
    let narrow = ends.map(|(least, most)| narrow.clamped(least.widen(), most.widen()))?;
    let requantize = Requantize { grid: grid(run, &slot.nodes, root)?, narrow };
    let computed = |x: &[i16], out: &mut [C]| requantize.run(run.isa(), x, out);
    agrees(run, root, table, computed).then_some(requantize)
}

/// Whether arithmetic gives the results `table` of all codes of 16 bits of slot `root`.
pub(super) fn agrees<T: Copy + Default + PartialEq>(
    run: &Run,
    root: ValueId,
    table: &[T],
    computed: impl Fn(&[i16], &mut [T]),
) -> bool {
    agrees_on(run, root, table, computed, T::eq)
}

/// The same where `same` tells which results are.
pub(super) fn agrees_on<T: Copy + Default>(
    run: &Run,
    root: ValueId,
    table: &[T],
    computed: impl Fn(&[i16], &mut [T]),
    same: impl Fn(&T, &T) -> bool,
) -> bool {
    // Codes out of the range do not occur.
    let (low, high) = run.slot(root).storage.range;
    let Some(results) = table.get(place(low)..=place(high)) else { return false };
    let codes: Vec<i16> = (low..=high).map(|code| code as i16).collect();
    let mut found = vec![T::default(); codes.len()];
    computed(&codes, &mut found);
    found.iter().zip(results).all(|(found, result)| same(found, result))
}

/// Where a table has the result of a stored code of 16 bits.
fn place(code: i32) -> usize {
    (code + 32768) as usize
}

/// What the codes of slot `root` mean to the first of these nodes.
fn grid(run: &Run, nodes: &[usize], root: ValueId) -> Option<Grid> {
    let of_root = |id: ValueId| match run.role(id) {
        Role::Reals(view) if view.slot == root => Some(view.grid),
        _ => None,
    };
    let mut made = nodes.iter().flat_map(|&i| run.plan.graph.nodes[i].writes());
    run.slot(root).grid.or_else(|| made.find_map(of_root))
}
