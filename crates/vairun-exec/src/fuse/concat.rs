use vairun_graph::{Attribute, ValueId};

use super::coded::{Coded, Order};
use super::movement::concatenated;
use super::roles::View;
use super::run::{Run, Stop};
use super::table::Table;
use vairun_tensor::Tensor;

/// Coded tensors side by side: the codes of each are mapped to those of the result.
pub(super) struct Concat {
    tables: Vec<Table>,
    axis: usize,
}

impl Concat {
    pub(super) fn prepare(
        run: &mut Run,
        id: ValueId,
        parts: &[View],
        node: usize,
        results: Option<&[Tensor]>,
    ) -> Result<Option<Self>, Stop> {
        let concat = &run.plan.graph.nodes[node];
        let axis = match concat.attributes.get("axis") {
            Some(Attribute::Int(axis)) => *axis,
            None => 1,
            _ => return Ok(None),
        };
        let rank = run.coded(parts[0].slot).shape.len();
        let from_end = if axis < 0 { axis + rank as i64 } else { axis };
        let Some(axis) = usize::try_from(from_end).ok().filter(|&axis| axis < rank) else {
            return Ok(None);
        };
        let tables = match results {
            Some(results) => told(run, id, parts, results),
            None => found(run, id, parts, (node, rank))?,
        };
        Ok(tables.map(|tables| Self { tables, axis }))
    }

    pub(super) fn run(&self, run: &mut Run, parts: &[View]) -> Result<Option<Coded>, Stop> {
        let coded: Vec<_> = parts.iter().map(|part| run.coded(part.slot)).collect();
        let last = coded.iter().any(|coded| !coded.lies(Order::Rows));
        let order = if last { Order::ChannelsLast } else { Order::Rows };
        let mut mapped = Vec::with_capacity(coded.len());
        for (coded, table) in coded.iter().zip(&self.tables) {
            let turned = coded.ordered(order, &mut run.buffers);
            let Some(codes) = table.map(run, turned.as_ref().unwrap_or(coded)) else {
                return Ok(None);
            };
            mapped.push(codes);
            turned.into_iter().for_each(|turned| turned.recycle(&mut run.buffers));
        }
        let joined = concatenated(run, &mapped, self.axis, order);
        mapped.into_iter().for_each(|part| part.recycle(&mut run.buffers));
        Ok(joined)
    }
}

/// The tables for the results that an operator has told.
fn told(run: &Run, id: ValueId, parts: &[View], results: &[Tensor]) -> Option<Vec<Table>> {
    let tables = parts.iter().zip(results).map(|(part, results)| {
        let count = run.slot(part.slot).storage.count();
        Table::told(run, id, results, 0).filter(|_| results.len() == count)
    });
    tables.collect()
}

/// The tables by the nodes between the joined numbers and the codes.
fn found(
    run: &mut Run,
    id: ValueId,
    parts: &[View],
    (node, rank): (usize, usize),
) -> Result<Option<Vec<Table>>, Stop> {
    let nodes = run.slot(id).nodes[1..].to_vec();
    let Some(&Some(joined)) = run.plan.graph.nodes[node].outputs.first() else { return Ok(None) };
    // A constant for each channel does not belong to the codes of one part.
    let inputs = nodes.iter().flat_map(|&i| run.plan.graph.nodes[i].inputs.iter().flatten());
    let mut constants = inputs.filter_map(|&id| run.plan.constants.known(id));
    let scalar = constants.all(|tensor| tensor.len() == 1 && tensor.rank() <= rank);
    if !scalar || run.plan.leaves(&nodes) != [joined] {
        return Ok(None);
    }
    let mut tables = Vec::with_capacity(parts.len());
    for part in parts {
        let storage = run.slot(part.slot).storage;
        let numbers: Vec<f32> =
            (0..storage.count()).map(|i| part.grid.real(storage.nth(i))).collect();
        let all = Tensor::vector(numbers);
        match Table::of(run, id, &nodes, (joined, all))? {
            Some(table) => tables.push(table),
            None => return Ok(None),
        }
    }
    Ok(Some(tables))
}
