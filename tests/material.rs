//! Where test material is, and how it is read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use vairun::tensor::{Element, bf16, f16};
use vairun::{DType, Tensor};
use vairun_numeric::narrow::Narrow;

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
    Ok(vairun::tensor::files::read_npz(path)?.into_iter().collect())
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
        DType::U32 => cast::<u32>(tensor),
        DType::U64 => Ok(tensor.as_slice::<u64>()?.iter().map(|&x| x as f64).collect()),
        DType::F16 => Ok(tensor.as_slice::<f16>()?.iter().map(|x| x.to_f64()).collect()),
        DType::BF16 => Ok(tensor.as_slice::<bf16>()?.iter().map(|x| x.to_f64()).collect()),
        DType::I64 => Ok(tensor.as_slice::<i64>()?.iter().map(|&x| x as f64).collect()),
        DType::Bool => {
            Ok(tensor.as_slice::<bool>()?.iter().map(|&x| f64::from(u8::from(x))).collect())
        }
        other => match narrow(other) {
            Some(narrow) => {
                Ok(narrow.decode_slice(tensor.as_slice()?).into_iter().map(f64::from).collect())
            }
            None => anyhow::bail!("{other} is not compared"),
        },
    }
}

fn narrow(dtype: DType) -> Option<Narrow> {
    Some(match dtype {
        DType::F8E4M3FN => Narrow::Float8E4M3FN,
        DType::F8E4M3FNUZ => Narrow::Float8E4M3FNUZ,
        DType::F8E5M2 => Narrow::Float8E5M2,
        DType::F8E5M2FNUZ => Narrow::Float8E5M2FNUZ,
        DType::F4E2M1 => Narrow::Float4E2M1,
        _ => return None,
    })
}
