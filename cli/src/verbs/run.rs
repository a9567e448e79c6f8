use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use vairun::{Inputs, Model, Outputs, Tensor, Value};

use crate::args::{Global, ModelArgs};
use crate::dump::{Dump, DumpArgs};
use crate::failure::{Done, Failure, Verdict};
use crate::inputs::{Given, InputArgs, bind, describe};
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
    #[arg(short, long, value_name = "PATH", help_heading = "Output")]
    output: Option<PathBuf>,
    #[command(flatten)]
    dump: DumpArgs,
}

pub(crate) fn run(args: &RunArgs, global: &Global) -> Done {
    let model = args.model.load_for(&args.inputs)?;
    let given = args.inputs.gather(&model, &args.model.symbols())?;
    if !global.quiet {
        write!(anstream::stdout(), "{}", inputs_table(&given))?;
    }
    let inputs = bind(&given);
    // What nobody reads later belongs to the operators: they write over it.
    drop(given);
    let (outputs, dumped) = match &args.dump.dump_layers {
        None => (plain(&model, inputs, global)?, None),
        Some(path) => {
            let title = args.model.title();
            let (outputs, (count, bytes)) = dumped(args, path, &model, &title, inputs, global)?;
            let line =
                format!("dumped {count} tensors, {} → {}\n", table::bytes(bytes), path.display());
            (outputs, Some(line))
        }
    };
    if let Some(path) = &args.output {
        outputs::write(path, &outputs)?;
    }
    if !global.quiet {
        write!(
            anstream::stdout(),
            "\n{}\n{}",
            outputs_table(&outputs),
            dumped.unwrap_or_default()
        )?;
    }
    Ok(Verdict::Pass)
}

fn plain(model: &Model, inputs: Inputs, global: &Global) -> Result<Outputs, Failure> {
    let _progress = Progress::start("running", None, global);
    Ok(model.run(inputs)?)
}

fn dumped(
    args: &RunArgs,
    path: &std::path::Path,
    model: &Model,
    title: &str,
    inputs: Inputs,
    global: &Global,
) -> Result<(Outputs, (usize, u64)), Failure> {
    let nodes = model.source().graph.nodes.len() as u64;
    let progress = Progress::start("running", Some(nodes), global);
    let mut dump = Dump::create(&args.dump, path, model, title, &progress)?;
    let outputs = model.observe(inputs, &mut dump);
    let written = dump.finish();
    // The run's own error says more than that of a dump which it cut short.
    Ok((outputs?, written?))
}

fn inputs_table(given: &[Given]) -> String {
    let mut table = table::table(&["input", "value", "from"], &[]);
    for given in given {
        table.add_row([given.name.clone(), describe(&given.value), given.from.clone()]);
    }
    if given.is_empty() { String::new() } else { table::lines(&table) }
}

fn outputs_table(outputs: &Outputs) -> String {
    let mut table =
        table::table(&["output", "value", "min", "max", "mean", "largest at"], &[2, 3, 4]);
    for (name, value) in outputs.iter() {
        table.add_row(row(name, value));
    }
    table::lines(&table)
}

fn row(name: &str, value: &Value) -> Vec<String> {
    let mut row = vec![name.into(), describe(value)];
    if let Some(summary) = value.as_tensor().ok().and_then(Summary::of) {
        row.extend([summary.min, summary.max, summary.mean].map(|x| format!("{x:.6}")));
        let place = place(summary.argmax, value.as_tensor().map_or(&[], Tensor::shape));
        let nan = if summary.nan > 0 { format!(", {} NaN", summary.nan) } else { String::new() };
        row.push(format!("{place:?}{nan}"));
    }
    row
}

/// What a line can say of the numbers of a tensor, NaN left out.
struct Summary {
    min: f64,
    max: f64,
    mean: f64,
    argmax: usize,
    nan: usize,
}

impl Summary {
    /// `None` where there are no numbers.
    fn of(tensor: &Tensor) -> Option<Self> {
        let numbers = numbers(tensor)?;
        let nan = numbers.iter().filter(|x| x.is_nan()).count();
        let real = || numbers.iter().enumerate().filter(|(_, x)| !x.is_nan());
        let (argmax, &first) = real().next()?;
        let start = Self { min: first, max: first, mean: 0.0, argmax, nan };
        let mut summary = real().fold(start, |s, (i, &x)| Self {
            min: s.min.min(x),
            mean: s.mean + x,
            argmax: if x > s.max { i } else { s.argmax },
            max: s.max.max(x),
            nan,
        });
        summary.mean /= (numbers.len() - nan) as f64;
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

    #[test]
    fn nan_is_counted_and_does_not_hide_the_numbers() {
        let summary = Summary::of(&Tensor::vector(vec![f32::NAN, 1.0, 3.0])).unwrap();
        assert_eq!((summary.min, summary.max, summary.mean), (1.0, 3.0, 2.0));
        assert_eq!((summary.argmax, summary.nan), (2, 1));
        assert!(Summary::of(&Tensor::vector(vec![f32::NAN])).is_none());
    }
}
