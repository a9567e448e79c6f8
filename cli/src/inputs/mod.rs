//! The inputs of a run: from files, or drawn at random.

mod file;
mod ports;
mod random;
mod shape;

use std::collections::BTreeMap;

use clap::Args;
use vairun::{Inputs, Model, Port, Value};

use crate::failure::Failure;
use crate::inputs::file::Spec;
use crate::inputs::random::{Random, Range};
use crate::inputs::shape::{Shapes, parse_shape};

#[derive(Args, Clone, Debug)]
pub(crate) struct InputArgs {
    /// .npz, .npy, .pb, .safetensors, .bin, .txt, a test_data_set_N or dump folder (repeatable)
    #[arg(
        short,
        long = "input",
        alias = "inputs",
        alias = "load-inputs",
        value_name = "[NAME=]FILE",
        help_heading = "Input"
    )]
    pub(crate) input: Vec<String>,
    /// Draw the inputs that no file gives; all of them where there is no file
    #[arg(long, help_heading = "Input")]
    pub(crate) random: bool,
    /// Of the random numbers
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Input")]
    pub(crate) seed: u64,
    /// Of the random numbers, the end included for integers alone [default: -1..1 or the type's]
    #[arg(long, value_name = "[NAME=]LOW..HIGH", value_parser = random::parse_range, help_heading = "Input")]
    pub(crate) range: Vec<(Option<String>, Range)>,
    /// The shape of random inputs and of files without one: `--shape x=1x3x224x224`
    #[arg(long, value_name = "[NAME=]DIMS", value_parser = parse_shape, help_heading = "Input")]
    pub(crate) shape: Vec<(Option<String>, Vec<usize>)>,
}

/// An input and where it comes from.
pub(crate) struct Given {
    pub(crate) name: String,
    pub(crate) value: Value,
    pub(crate) from: String,
}

impl InputArgs {
    /// A value for each input of the model, as far as files, options and chance give one.
    ///
    /// Whether they fit the model is for the model to say, all of it at once.
    pub(crate) fn gather(
        &self,
        model: &Model,
        dims: &BTreeMap<String, usize>,
    ) -> Result<Vec<Given>, Failure> {
        let mut found = self.read_files(model, dims)?;
        if self.random || self.input.is_empty() {
            self.draw_missing(model, dims, &mut found)?;
        }
        Ok(found)
    }

    /// The values that files give.
    pub(crate) fn read_files(
        &self,
        model: &Model,
        dims: &BTreeMap<String, usize>,
    ) -> Result<Vec<Given>, Failure> {
        let ports = model.inputs();
        let shapes = Shapes { given: &self.shape, dims };
        self.check_names(ports)?;
        let mut found = Vec::new();
        let specs = self.input.iter().map(|text| Spec::parse(text, ports));
        let failures: Vec<Failure> =
            specs.filter_map(|spec| file::read(&spec, ports, &shapes, &mut found).err()).collect();
        Failure::all(failures).map_or(Ok(found), Err)
    }

    /// The files that are not there, for where there is no model that could say what they are read for.
    pub(crate) fn absent(&self) -> Option<Failure> {
        let specs = self.input.iter().map(|text| Spec::parse(text, &[]));
        let absent = specs.filter(|spec| !spec.exists());
        Failure::all(absent.map(|spec| Failure::input(format!("{}: no such file", spec.title()))))
    }

    /// Draws what has no value and no default.
    pub(crate) fn draw_missing(
        &self,
        model: &Model,
        dims: &BTreeMap<String, usize>,
        found: &mut Vec<Given>,
    ) -> Result<(), Failure> {
        let (ports, shapes) = (model.inputs(), Shapes { given: &self.shape, dims });
        let random = Random { seed: self.seed, ranges: &self.range };
        for port in ports.iter().filter(|port| !port.has_default) {
            if found.iter().all(|given| given.name != port.name) {
                found.push(random.draw(port, &shapes)?);
            }
        }
        Ok(())
    }

    /// An option for an input that the model does not have is a mistake.
    fn check_names(&self, ports: &[Port]) -> Result<(), Failure> {
        let shapes = self.shape.iter().map(|(name, _)| ("--shape", name));
        let ranges = self.range.iter().map(|(name, _)| ("--range", name));
        for (option, name) in shapes.chain(ranges) {
            if let Some(name) = name
                && ports.iter().all(|port| port.name != *name)
            {
                let known = ports::names(ports);
                return Err(Failure::usage(format!("`{option} {name}=…`: the model has {known}")));
            }
        }
        Ok(())
    }
}

/// The inputs as the model takes them.
pub(crate) fn bind(given: &[Given]) -> Inputs {
    given.iter().map(|given| (given.name.clone(), given.value.clone())).collect()
}

/// `float32 [1, 3, 224, 224]`, `sequence of 3`
pub(crate) fn describe(value: &Value) -> String {
    match value {
        Value::Tensor(tensor) => format!("{} {:?}", tensor.dtype(), tensor.shape()),
        Value::Sequence(items) => format!("sequence of {}", items.len()),
        Value::Optional(None) => "nothing (optional)".to_owned(),
        Value::Optional(Some(value)) => format!("optional {}", describe(value)),
        other => other.kind().to_owned(),
    }
}
