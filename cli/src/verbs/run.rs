use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use vairun::{Outputs, Tensor, Value};

use crate::args::ModelArgs;
use crate::failure::{Done, Failure, Verdict};
use crate::inputs::InputArgs;
use crate::numbers::numbers;
use crate::progress::Progress;
use crate::{outputs, table};

/// Runs a model once.
///
/// Without -i the inputs are drawn at random from --seed, and the run says what it drew.
#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    inputs: InputArgs,
    /// Write the outputs: .npz, a folder of .npy, a folder test_data_set_N; .npy or .pb for a single output
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
}

pub(crate) fn run(args: &RunArgs, quiet: bool) -> Done {
    let model = args.model.builder().open(&args.model.model)?;
    let (inputs, drawn) = args.inputs.read_or_draw(&model, &args.model.dims)?;
    if !drawn.is_empty() && !quiet {
        anstream::eprintln!("drawn with seed {}: {}", args.inputs.seed, drawn.join(", "));
    }
    let outputs = {
        let _progress = Progress::start("running", None, quiet);
        model.run(inputs)?
    };
    if let Some(path) = &args.output {
        outputs::write(path, &outputs)?;
    }
    if !quiet {
        print_summary(&outputs).map_err(Failure::output)?;
    }
    Ok(Verdict::Pass)
}

fn print_summary(outputs: &Outputs) -> std::io::Result<()> {
    let mut table =
        table::table(&["output", "type", "shape", "min", "max", "mean", "largest at"], &[3, 4, 5]);
    for (name, value) in outputs.iter() {
        table.add_row(row(name, value));
    }
    writeln!(anstream::stdout(), "{table}")
}

fn row(name: &str, value: &Value) -> Vec<String> {
    let Value::Tensor(tensor) = value else {
        return vec![name.into(), value.kind().into()];
    };
    let mut row = vec![name.into(), tensor.dtype().to_string(), format!("{:?}", tensor.shape())];
    if let Some(summary) = Summary::of(tensor) {
        row.extend([summary.min, summary.max, summary.mean].map(|x| format!("{x:.6}")));
        row.push(format!("{:?}", place(summary.argmax, tensor.shape())));
    }
    row
}

/// What a line can say of the numbers of a tensor.
struct Summary {
    min: f64,
    max: f64,
    mean: f64,
    argmax: usize,
}

impl Summary {
    /// `None` where there are no numbers.
    fn of(tensor: &Tensor) -> Option<Self> {
        let numbers = numbers(tensor)?;
        let first = *numbers.first()?;
        let start = Self { min: first, max: first, mean: 0.0, argmax: 0 };
        let mut summary = numbers.iter().enumerate().fold(start, |s, (i, &x)| Self {
            min: s.min.min(x),
            mean: s.mean + x,
            argmax: if x > s.max { i } else { s.argmax },
            max: s.max.max(x),
        });
        summary.mean /= numbers.len() as f64;
        Some(summary)
    }
}

/// The index in each dimension of the element `i` of row-major order.
fn place(mut i: usize, shape: &[usize]) -> Vec<usize> {
    let mut place = vec![0; shape.len()];
    for (slot, &dim) in place.iter_mut().zip(shape).rev() {
        *slot = i % dim.max(1);
        i /= dim.max(1);
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_from_the_last_dimension() {
        assert_eq!(place(7, &[2, 2, 3]), [1, 0, 1]);
        assert_eq!(place(0, &[]), [0usize; 0]);
    }
}
