//! Where test material is, and how it is read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use vairun::tensor::Element;
use vairun::{DType, Tensor};

/// A folder of the shared material; `None`, with a word, where it is absent.
pub(crate) fn shared(part: &str) -> Option<PathBuf> {
    let default = || repository().join("../shared");
    let root = std::env::var_os("VAIRUN_SHARED").map_or_else(default, PathBuf::from);
    let folder = root.join(part);
    if !folder.is_dir() {
        println!("skipped: there is no {}", folder.display());
        return None;
    }
    Some(folder)
}

/// The top of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The arrays of an npz file by name.
pub(crate) fn read_npz(path: &Path) -> Result<BTreeMap<String, Tensor>> {
    let mut file = npyz::npz::NpzArchive::open(path).with_context(|| path.display().to_string())?;
    let names: Vec<String> = file.array_names().map(str::to_owned).collect();
    names
        .into_iter()
        .map(|name| {
            let array = file.by_name(&name)?.context("listed")?;
            let tensor =
                read_array(array).with_context(|| format!("{}: {name}", path.display()))?;
            Ok((name, tensor))
        })
        .collect()
}

fn read_array<R: std::io::Read>(array: npyz::NpyFile<R>) -> Result<Tensor> {
    let shape: Vec<usize> =
        array.shape().iter().map(|&n| usize::try_from(n)).collect::<Result<_, _>>()?;
    let npyz::DType::Plain(kind) = array.dtype() else { anyhow::bail!("a structured array") };
    fn read<T: Element + npyz::Deserialize, R: std::io::Read>(
        array: npyz::NpyFile<R>,
        shape: &[usize],
    ) -> Result<Tensor> {
        anyhow::ensure!(array.order() == npyz::Order::C || shape.len() < 2, "in Fortran order");
        Ok(Tensor::new(shape, array.into_vec::<T>()?)?)
    }
    use npyz::TypeChar::{Bool, Float, Int, Uint};
    match (kind.type_char(), kind.size_field()) {
        (Bool, 1) => read::<bool, _>(array, &shape),
        (Int, 1) => read::<i8, _>(array, &shape),
        (Int, 2) => read::<i16, _>(array, &shape),
        (Int, 4) => read::<i32, _>(array, &shape),
        (Int, 8) => read::<i64, _>(array, &shape),
        (Uint, 1) => read::<u8, _>(array, &shape),
        (Uint, 2) => read::<u16, _>(array, &shape),
        (Uint, 4) => read::<u32, _>(array, &shape),
        (Uint, 8) => read::<u64, _>(array, &shape),
        (Float, 4) => read::<f32, _>(array, &shape),
        (Float, 8) => read::<f64, _>(array, &shape),
        _ => anyhow::bail!("an array of {kind}"),
    }
}

/// The elements as f64, whatever their type; strings are an error.
pub(crate) fn numbers(tensor: &Tensor) -> Result<Vec<f64>> {
    fn cast<T: Element + Copy + Into<f64>>(tensor: &Tensor) -> Result<Vec<f64>> {
        Ok(tensor.as_slice::<T>()?.iter().map(|&x| x.into()).collect())
    }
    match tensor.dtype() {
        DType::F32 => cast::<f32>(tensor),
        DType::F64 => cast::<f64>(tensor),
        DType::I8 => cast::<i8>(tensor),
        DType::U8 => cast::<u8>(tensor),
        DType::I16 => cast::<i16>(tensor),
        DType::U16 => cast::<u16>(tensor),
        DType::I32 => cast::<i32>(tensor),
        DType::I64 => Ok(tensor.as_slice::<i64>()?.iter().map(|&x| x as f64).collect()),
        DType::Bool => {
            Ok(tensor.as_slice::<bool>()?.iter().map(|&x| f64::from(u8::from(x))).collect())
        }
        other => anyhow::bail!("{other} is not compared"),
    }
}
