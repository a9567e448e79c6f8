use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args as ArgGroup;
use vairun::{Inputs, Model, Port, Tensor, Value};
use vairun_tensor::files;

use crate::failure::Failure;
use crate::random::Random;

/// Where the inputs of a run come from.
#[derive(ArgGroup, Clone, Debug)]
pub(crate) struct InputArgs {
    /// Inputs: .npz, .npy, .safetensors, .pb, .bin or .txt (shape from the model or --shape), or a test_data_set folder;
    /// NAME=PATH gives a single one
    #[arg(short, long = "input", value_name = "[NAME=]PATH")]
    pub(crate) input: Vec<String>,
    /// The shape of a .bin or .txt input
    #[arg(long, value_name = "[NAME=]N,N,…", value_parser = shape)]
    pub(crate) shape: Vec<(Option<String>, Vec<usize>)>,
    /// Draw the inputs that -i does not give; without -i that is what happens
    #[arg(long)]
    pub(crate) random: bool,
    /// The seed of what is drawn
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
}

impl InputArgs {
    /// Reads what -i names.
    pub(crate) fn read(&self, model: &Model) -> Result<Inputs, Failure> {
        let mut inputs = Inputs::new();
        for argument in &self.input {
            for (name, value) in self.read_one(argument, model).map_err(Failure::Input)? {
                inputs.insert(name, value);
            }
        }
        Ok(inputs)
    }

    /// Reads what -i names and draws the rest where that was asked for, or nothing was given; says what it drew.
    pub(crate) fn read_or_draw(
        &self,
        model: &Model,
        dims: &[(String, usize)],
    ) -> Result<(Inputs, Vec<String>), Failure> {
        let mut inputs = self.read(model)?;
        let mut drawn = Vec::new();
        if self.random || self.input.is_empty() {
            let random = Random::new(self.seed, dims);
            for (place, port) in model.inputs().iter().enumerate() {
                if inputs.get(&port.name).is_none() && !port.has_default {
                    let (tensor, line) = random.draw(port, place)?;
                    inputs.insert(&port.name, tensor);
                    drawn.push(line);
                }
            }
        }
        Ok((inputs, drawn))
    }

    fn read_one(&self, argument: &str, model: &Model) -> anyhow::Result<Vec<(String, Value)>> {
        let (name, path) = split(argument, model);
        let ports = model.inputs();
        if path.is_dir() {
            return read_folder(&path, ports);
        }
        let all = match extension(&path).as_str() {
            "npz" => named(files::read_npz(&path)?),
            "safetensors" => named(files::read_safetensors(&path)?),
            "npy" => vec![(String::new(), files::read_npy(&path)?.into())],
            "pb" => vec![read_pb(&path, name.as_deref(), ports)?],
            "bin" | "raw" | "txt" => {
                vec![(String::new(), self.read_flat(&path, name.as_deref(), ports)?.into())]
            }
            other => anyhow::bail!(
                "{}: `.{other}` is not read; give .npz, .npy, .safetensors, .pb, .bin, .raw, .txt or a folder",
                path.display()
            ),
        };
        assign(all, name, &path, ports)
    }

    /// A file without shape: the shape of --shape, else the model's; the type of the model.
    fn read_flat(&self, path: &Path, name: Option<&str>, ports: &[Port]) -> anyhow::Result<Tensor> {
        let port = port(name, ports).with_context(|| path.display().to_string())?;
        let given =
            |wanted: &Option<String>| wanted.as_deref().is_none_or(|wanted| wanted == port.name);
        let shape =
            self.shape.iter().rev().find(|(name, _)| given(name)).map(|(_, shape)| shape.clone());
        let shape = shape.or_else(|| fixed_shape(port)).ok_or_else(|| {
            anyhow!(
                "{}: the model leaves the shape of `{}` open; add --shape {}=N,…",
                path.display(),
                port.name,
                port.name
            )
        })?;
        let dtype = port
            .dtype
            .ok_or_else(|| anyhow!("the model does not say the type of `{}`", port.name))?;
        Ok(match extension(path).as_str() {
            "txt" => files::read_text(path, dtype, Some(&shape))?,
            _ => files::read_raw(path, dtype, &shape)?,
        })
    }
}

fn named(tensors: Vec<(String, Tensor)>) -> Vec<(String, Value)> {
    tensors.into_iter().map(|(name, tensor)| (name, tensor.into())).collect()
}

/// `NAME=PATH`, where NAME is an input of the model: names may hold `=` and so may paths.
fn split(argument: &str, model: &Model) -> (Option<String>, PathBuf) {
    let names = model.inputs().iter().map(|port| &port.name);
    let longest =
        names.filter(|name| argument.strip_prefix(*name).is_some_and(|rest| rest.starts_with('=')));
    match longest.max_by_key(|name| name.len()) {
        Some(name) => (Some(name.clone()), argument[name.len() + 1..].into()),
        None => (None, argument.into()),
    }
}

fn extension(path: &Path) -> String {
    path.extension().map(|extension| extension.to_string_lossy().to_lowercase()).unwrap_or_default()
}

/// Gives each value its name: its own, the one asked for, or that of the model's only input.
fn assign(
    values: Vec<(String, Value)>,
    name: Option<String>,
    path: &Path,
    ports: &[Port],
) -> anyhow::Result<Vec<(String, Value)>> {
    match (name, values.as_slice()) {
        (None, [(own, _)]) if own.is_empty() => {
            let port = port(None, ports).with_context(|| path.display().to_string())?;
            Ok(values.into_iter().map(|(_, value)| (port.name.clone(), value)).collect())
        }
        (None, _) => Ok(values),
        (Some(name), [_]) => {
            Ok(values.into_iter().map(|(_, value)| (name.clone(), value)).collect())
        }
        (Some(name), _) => {
            let found = values.into_iter().find(|(own, _)| *own == name);
            Ok(vec![found.ok_or_else(|| anyhow!("{}: there is no `{name}`", path.display()))?])
        }
    }
}

fn port<'a>(name: Option<&str>, ports: &'a [Port]) -> anyhow::Result<&'a Port> {
    let names =
        || ports.iter().map(|port| format!("`{}`", port.name)).collect::<Vec<_>>().join(", ");
    match (name, ports) {
        (Some(name), _) => {
            ports.iter().find(|port| port.name == name).context("split takes names of inputs only")
        }
        (None, [only]) => Ok(only),
        (None, _) => {
            Err(anyhow!("the model has {} inputs ({}): write NAME=PATH", ports.len(), names()))
        }
    }
}

fn fixed_shape(port: &Port) -> Option<Vec<usize>> {
    let fixed = |dim: &vairun::graph::Dim| match dim {
        vairun::graph::Dim::Fixed(n) => Some(*n),
        _ => None,
    };
    port.shape.as_ref()?.iter().map(fixed).collect()
}

fn read_pb(path: &Path, name: Option<&str>, ports: &[Port]) -> anyhow::Result<(String, Value)> {
    let declared = port(name, ports).ok().and_then(|port| port.non_tensor.as_deref());
    Ok(vairun_onnx::read_value(path, declared)?)
}

/// An ONNX `test_data_set_N` folder: input_0.pb, input_1.pb, … in the order of the model; or a folder of .npy files.
fn read_folder(path: &Path, ports: &[Port]) -> anyhow::Result<Vec<(String, Value)>> {
    let mut values = Vec::new();
    for (i, port) in ports.iter().enumerate() {
        let file = path.join(format!("input_{i}.pb"));
        if file.exists() {
            let (_, value) = vairun_onnx::read_value(&file, port.non_tensor.as_deref())?;
            values.push((port.name.clone(), value));
        }
        let file = path.join(format!("{}.npy", port.name.replace('/', "_")));
        if file.exists() {
            values.push((port.name.clone(), files::read_npy(&file)?.into()));
        }
    }
    anyhow::ensure!(
        !values.is_empty(),
        "{}: no input_0.pb and no .npy named as an input",
        path.display()
    );
    Ok(values)
}

fn shape(text: &str) -> Result<(Option<String>, Vec<usize>), String> {
    let (name, dims) = match text.rsplit_once('=') {
        Some((name, dims)) => (Some(name.to_owned()), dims),
        None => (None, text),
    };
    let dim = |n: &str| n.trim().parse().map_err(|_| format!("`{n}` is no number"));
    Ok((name, dims.split([',', 'x']).map(dim).collect::<Result<_, _>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_may_name_its_input() {
        assert_eq!(shape("1,3,8,8").unwrap(), (None, vec![1, 3, 8, 8]));
        assert_eq!(shape("a=b=2x4").unwrap(), (Some("a=b".into()), vec![2, 4]));
        assert!(shape("1,N").is_err());
    }
}
