use vairun_graph::ValueId;
use vairun_numeric::kernel::{Formula, map_lines_to_reals, map_to, map_words};
use vairun_tensor::Tensor;

use super::coded::{Buffer, Order};
use super::formula;
use super::functions::Origin;
use super::line::Line;
use super::roles::Roles;
use super::run::{Run, Stop};
use super::table::rank;

/// A function of one code that somebody needs as numbers.
pub(super) struct Numbers {
    results: Results,
    /// Dimensions that the argument has at least.
    rank: usize,
}

enum Results {
    /// For every code.
    All(Vec<f32>),
    /// For every code, at each index of a line.
    Lines(Vec<f32>, Line),
    /// Of a code of 16 bits, computed.
    Computed(Formula),
}

impl Numbers {
    /// By these nodes from the slot of a code to value `id`; `None` where they do not give a number for each code.
    pub(super) fn prepare(
        run: &mut Run,
        id: ValueId,
        of: Origin,
        nodes: &[usize],
    ) -> Result<Option<Self>, Stop> {
        let (rank, line) = (rank(run, nodes), of.line);
        let Some(all) = Roles::all_codes(run.slot(of.slot), line, rank) else { return Ok(None) };
        let count = all.len();
        let value = match run.evaluate(nodes, id, &[(of.slot, all.into())]) {
            Ok(value) => value,
            // The plain form says it for the tensor of the run.
            Err(Stop::Error(_)) => return Ok(None),
            Err(stop) => return Err(stop),
        };
        let numbers = value.into_tensor().ok().and_then(|tensor| tensor.into_vec::<f32>().ok());
        let Some(numbers) = numbers.filter(|numbers| numbers.len() == count) else {
            return Ok(None);
        };
        let wide = run.slot(of.slot).storage.wide;
        let results = match line {
            Some(line) => Results::Lines(line.tables(&numbers), line),
            None => wide
                .then(|| formula::of_numbers(run, id, of.slot, nodes, &numbers))
                .flatten()
                .map_or(Results::All(numbers), Results::Computed),
        };
        Ok(Some(Self { results, rank }))
    }

    /// The numbers of the codes of `root`, row-major.
    pub(super) fn run(&self, run: &mut Run, root: ValueId) -> Option<Tensor> {
        let coded = run.coded(root);
        if coded.shape.len() < self.rank {
            return None;
        }
        let turned = coded.ordered(Order::Rows, &mut run.buffers);
        let x = turned.as_ref().unwrap_or(&coded);
        let length = x.len();
        let mut out = vec![0f32; length];
        match (&x.buffer, &self.results) {
            (Buffer::Bytes(codes), Results::Lines(numbers, line)) => {
                map_lines_to_reals(numbers, line.inner(x)?, &codes[..length], &mut out);
            }
            (Buffer::Bytes(codes), Results::All(numbers)) => {
                let table: &[f32; 256] = numbers[..].try_into().ok()?;
                map_to(table, &codes[..length], &mut out);
            }
            (Buffer::Words(codes), Results::All(numbers)) => {
                map_words(numbers, &codes[..length], &mut out);
            }
            (Buffer::Words(codes), Results::Computed(formula)) => {
                formula.numbers(run.isa(), &codes[..length], &mut out);
            }
            _ => return None,
        }
        let tensor = Tensor::new(&x.shape, out).ok();
        turned.into_iter().for_each(|turned| turned.recycle(&mut run.buffers));
        tensor
    }
}
