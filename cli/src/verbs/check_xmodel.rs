//! `check` against an .xmodel: both run on the same input, and their tensors are paired by structure.

use std::path::{Path, PathBuf};

use vairun::xmodel::{Layout, RoundMode};
use vairun::{Builder, Inputs, Model, Port, Value};
use vairun_compare::pair::{self, Differences, PairOptions};
use vairun_compare::{Mismatches, Report};

use crate::args::ModelArgs;
use crate::failure::Failure;
use crate::inputs::Given;

/// The one .xmodel among the goldens, if there is one; it cannot be combined with others.
pub(super) fn among(golden: &[PathBuf]) -> Result<Option<&Path>, Failure> {
    match golden {
        [path] if is_xmodel(path) => Ok(Some(path)),
        many if many.iter().any(|path| is_xmodel(path)) => {
            Err(Failure::usage("an .xmodel is compared as the only golden"))
        }
        _ => Ok(None),
    }
}

fn is_xmodel(path: &Path) -> bool {
    super::inspect_xmodel::begins_as_xmodel(path)
}

/// The models of a check: the one that is checked, and the .xmodel.
pub(super) struct Sides<'a> {
    pub(super) args: &'a ModelArgs,
    pub(super) golden: &'a Path,
    /// Nothing may differ, whatever the reason.
    pub(super) strict: bool,
}

impl Sides<'_> {
    /// The model that is checked. `--round` is meant for the .xmodel: an ONNX model says how it rounds.
    pub(super) fn model(&self) -> Result<Model, Failure> {
        let mut args = self.args.clone();
        args.vary.round.clear();
        args.load()
    }

    /// Runs both and compares them.
    pub(super) fn compare(
        &self,
        model: &Model,
        given: &[Given],
        mismatches: Option<&mut dyn Mismatches>,
    ) -> Result<Report, Failure> {
        self.compare_with(self.rounding(self.args.builder())?, model, given, mismatches)
    }

    /// How much differs with each rounding of the .xmodel.
    pub(super) fn sweep(&self, model: &Model, given: &[Given]) -> Result<Vec<String>, Failure> {
        let modes = [
            ("half-up", RoundMode::Dpu),
            ("half-away", RoundMode::Std),
            ("half-even", RoundMode::Py3),
        ];
        modes
            .into_iter()
            .map(|(name, mode)| {
                let builder = self.args.builder().xmodel_round(mode);
                let report = self.compare_with(builder, model, given, None)?;
                let mut all = Differences::default();
                report
                    .records
                    .iter()
                    .filter_map(|record| record.differences)
                    .for_each(|found| all.join(found));
                Ok(format!("rounded {name}: {all}"))
            })
            .collect()
    }

    fn compare_with(
        &self,
        builder: Builder,
        model: &Model,
        given: &[Given],
        mismatches: Option<&mut dyn Mismatches>,
    ) -> Result<Report, Failure> {
        let same_format = is_xmodel(&self.args.model);
        let inputs = crate::inputs::bind(given);
        let layouts = match (same_format, self.args.layout.layout()) {
            (true, layout) => vec![layout],
            // As ONNX has images, else as the file has them.
            (false, _) => vec![Layout::Nchw, Layout::Nhwc],
        };
        let mut fitting = None;
        for layout in layouts {
            let golden = builder.clone().layout(layout).open(self.golden)?;
            let fed = fed(model, &golden, &inputs);
            if fitting.is_none() || fits(&golden, &fed) {
                let whole = fits(&golden, &fed);
                fitting = Some((golden, fed));
                if whole {
                    break;
                }
            }
        }
        let (golden, fed) = fitting.expect("there is a layout");
        let file = self.golden.file_name().unwrap_or(self.golden.as_os_str()).to_string_lossy();
        pair::check_pair(
            (&model.source().graph, &golden.source().graph),
            |observer| model.observe(inputs, observer).map(drop),
            |observer| golden.observe(fed.clone(), observer).map(drop),
            (&self.args.title(), &file),
            PairOptions { same_format, strict: self.strict },
            mismatches,
        )
        .map_err(Failure::from)
    }

    /// `--round` for the activations of the .xmodel.
    fn rounding(&self, builder: Builder) -> Result<Builder, Failure> {
        let mode = match self.args.vary.round.as_slice() {
            [] => return Ok(builder),
            [mode] => mode.as_str(),
            _ => return Err(Failure::usage("`--round`: an .xmodel has one rounding")),
        };
        let mode = match mode {
            "half-even" => RoundMode::Py3,
            "half-up" | "dpu" => RoundMode::Dpu,
            "half-away" | "std" => RoundMode::Std,
            other => {
                let what =
                    format!("`--round {other}`: an .xmodel rounds half-up, half-away or half-even");
                return Err(Failure::usage(what));
            }
        };
        Ok(builder.xmodel_round(mode))
    }
}

/// What the .xmodel is fed with: the value of the input that belongs to each of its own.
fn fed(model: &Model, golden: &Model, inputs: &Inputs) -> Inputs {
    let places = pair::inputs(&model.source().graph, &golden.source().graph);
    let value = |&(here, there): &(usize, usize)| -> Option<(String, Value)> {
        let value = inputs.get(&model.inputs().get(here)?.name)?.clone();
        Some((golden.inputs().get(there)?.name.clone(), value))
    };
    places.iter().filter_map(value).collect()
}

/// Whether every input has the shape that the model declares.
fn fits(model: &Model, fed: &Inputs) -> bool {
    let fits = |port: &Port| {
        let value = fed.get(&port.name).and_then(|value| value.as_tensor().ok());
        value.zip(port.shape.as_ref()).is_some_and(|(tensor, shape)| {
            let dims = shape.iter().map(|dim| match dim {
                vairun::graph::Dim::Fixed(n) => Some(*n),
                _ => None,
            });
            dims.eq(tensor.shape().iter().map(|&n| Some(n)))
        })
    };
    model.inputs().iter().all(fits)
}
