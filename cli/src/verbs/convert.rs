use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use vairun::convert::{Conversion, Left, to_qdq};
use vairun::{Builder, Model};

use crate::args::{Global, ModelArgs};
use crate::failure::{Done, Failure, Verdict};
use crate::inputs::{InputArgs, bind};

/// Rewrites the quantizers of vai, Quark and com.microsoft as ONNX's own QuantizeLinear and DequantizeLinear.
///
/// Only where every finite number gives the same bits: quantized constants are folded to integers; other roundings
/// are spelled out in ONNX's float operators. What has no exact form is named, and nothing is written, unless --partial
/// is given. --verify runs both models and compares their outputs bit for bit.
#[derive(Args, Debug)]
pub(crate) struct ConvertArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// The form
    #[arg(long, value_enum, default_value_t = Form::Qdq)]
    to: Form,
    /// The .onnx file to write
    #[arg(short, long, value_name = "FILE.onnx")]
    output: PathBuf,
    /// Leave nodes that have no exact form as they are
    #[arg(long)]
    partial: bool,
    /// Compare the outputs of both models bit for bit: on what -i gives, else on this many random inputs
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "4")]
    verify: Option<u64>,
    #[command(flatten)]
    inputs: InputArgs,
}

/// What a model can be converted to.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    /// Standard QuantizeLinear and DequantizeLinear
    Qdq,
}

pub(crate) fn convert(args: &ConvertArgs, global: &Global) -> Done {
    let Form::Qdq = args.to;
    let builder = args.model.builder();
    let model = args.model.load()?;
    let conversion = to_qdq(model.source(), &builder)?;
    if !conversion.left.is_empty() && !args.partial {
        return Err(Failure::model(reasons(&conversion.left))
            .help("--partial converts the others and leaves these as they are"));
    }
    let differing = match args.verify {
        Some(count) => verify(args, &model, &conversion, &builder, count)?,
        None => Vec::new(),
    };
    let bytes = vairun_onnx::write(&conversion.model).map_err(Failure::model)?;
    std::fs::write(&args.output, bytes)
        .map_err(|error| Failure::usage(format!("{}: {error}", args.output.display())))?;
    if !global.quiet {
        write!(anstream::stdout(), "{}", told(args, &conversion, &differing))?;
    }
    Ok(if differing.is_empty() { Verdict::Pass } else { Verdict::Differs })
}

/// The nodes that stay, grouped by the reason.
fn reasons(left: &[Left]) -> String {
    let line = |left: &Left| format!("\n  `{}` ({}): {}", left.node, left.op, left.why);
    let shown: String = left.iter().take(10).map(line).collect();
    let more = left.len().saturating_sub(10);
    let rest = if more > 0 { format!("\n  and {more} more") } else { String::new() };
    let nodes = if left.len() == 1 { "1 node has" } else { &format!("{} nodes have", left.len()) };
    format!("{nodes} no exact form in standard ONNX:{shown}{rest}")
}

fn told(args: &ConvertArgs, conversion: &Conversion, differing: &[String]) -> String {
    let Conversion { folded, native, spelled, .. } = conversion;
    let mut text = format!(
        "{folded} constants folded, {native} nodes standard, {spelled} roundings spelled out → {}\n",
        args.output.display()
    );
    if !conversion.left.is_empty() {
        text += &format!("warning: {}\n", reasons(&conversion.left));
    }
    if let Some(count) = args.verify {
        let what = if args.inputs.input.is_empty() {
            format!("{count} random inputs")
        } else {
            "the given inputs".to_owned()
        };
        text += &match differing {
            [] => format!("verified: all outputs equal bit for bit on {what}\n"),
            names => format!("FAIL: on {what} these outputs differ: {}\n", names.join(", ")),
        };
    }
    text
}

/// The outputs in which the models differ.
fn verify(
    args: &ConvertArgs,
    model: &Model,
    conversion: &Conversion,
    builder: &Builder,
    count: u64,
) -> Result<Vec<String>, Failure> {
    let converted = builder.from_graph(conversion.model.clone())?;
    let mut differing = Vec::new();
    let rounds = if args.inputs.input.is_empty() { count.max(1) } else { 1 };
    for round in 0..rounds {
        let inputs = InputArgs { seed: args.inputs.seed + round, ..args.inputs.clone() };
        let given = inputs.gather(model, &args.model.symbols())?;
        let (before, after) = (model.run(bind(&given))?, converted.run(bind(&given))?);
        for ((name, a), (_, b)) in before.iter().zip(after.iter()) {
            let equal = match (a.as_tensor(), b.as_tensor()) {
                (Ok(a), Ok(b)) => a.bits_eq(b),
                _ => a.kind() == b.kind(),
            };
            if !equal && !differing.contains(&name.to_owned()) {
                differing.push(name.to_owned());
            }
        }
    }
    Ok(differing)
}
