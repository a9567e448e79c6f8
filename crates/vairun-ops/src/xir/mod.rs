//! The operators of XIR, the graphs of .xmodel files, in exact integers.
//!
//! Nodes come from the lowering of a file, which knows the grid of every value: a tensor holds the integers *code* of
//! the numbers `code · 2^-fix_point / divisor`, or float32. Images have their channels last; attributes of windows go
//! by width, height, depth. Attributes that every operator reads:
//!
//! | attribute          | what                                                                    |
//! |--------------------|-------------------------------------------------------------------------|
//! | `input_fix_points` | of each input; 0 for real numbers; absent where all are real            |
//! | `input_divisors`   | of each input; absent: all 1                                            |
//! | `output_fix_point` | of the output; absent: real numbers                                     |
//! | `output_divisor`   | absent: 1                                                               |
//! | `output_type`      | the element type of the output, by its number in ONNX                   |
//!
//! An operator whose output is real computes in float32 on the numbers of its inputs. Where the output has codes, the
//! lowering has proven that its grid holds every result and that no sum overflows its type; only `fix` rounds.
//!
//! Sources: the definitions in `xir/op` and the CPU runner (Xilinx/Vitis-AI b2b2279), whose known mistakes are not
//! repeated; oracle: an independent executor in exact integers over real files.

mod codes;
mod grids;
mod window;

pub mod aligned;
pub mod avg_pool;
pub mod blocks;
pub mod clip;
pub mod concat;
pub mod conv;
pub mod div;
pub mod fix;
pub mod fix2float;
pub mod function;
pub mod hard_sigmoid;
pub mod hard_swish;
pub mod identity;
pub mod leaky_relu;
pub mod matmul;
pub mod max_pool;
pub mod mul;
pub mod pad;
pub mod pp_scatter;
pub mod prelu;
pub mod reduction;
pub mod relu;
pub mod resize;
pub mod scale;
pub mod softmax;
pub mod stack;
pub mod strided_slice;
pub mod transpose;

use vairun_tensor::{DType, Tensor};

use self::grids::Grids;
use crate::attrs::Attrs;
use crate::common::one;
use crate::def::{Build, Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// The independent executor whose results on real files are known.
const EXECUTOR: Grade =
    Grade::Exact("an executor in exact integers, on quantized files of vai_q_pytorch");

/// A definition of operators of this domain.
const fn def(
    names: &'static [(&'static str, &'static str)],
    summary: &'static str,
    grade: Grade,
    build: Build,
) -> OpDef {
    let opsets = std::ops::RangeInclusive::new(1, i64::MAX);
    OpDef { names, opsets, summary, types: "codes of 4 to 64 bits, float32", grade, build }
}

/// What an operator of this domain computes.
trait Compute: Send + Sync + 'static {
    /// The output, of the type that the grids say.
    fn compute(&self, grids: &Grids, inputs: Inputs) -> Result<Tensor, OpError>;
}

struct Node<C> {
    grids: Grids,
    compute: C,
}

/// The operator for a node.
fn node(
    spec: &NodeSpec,
    attrs: &Attrs,
    compute: impl Compute,
) -> Result<Box<dyn Operator>, BuildError> {
    let grids = Grids::read(spec, attrs)?;
    Ok(Box::new(Node { grids, compute }))
}

impl<C: Compute> Operator for Node<C> {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let y = self.compute.compute(&self.grids, inputs)?;
        if y.dtype() != self.grids.dtype() {
            let expected = format!("{} as `output_type` says", self.grids.dtype());
            return Err(OpError::DType { input: "output".into(), got: y.dtype(), expected });
        }
        one(y)
    }

    fn output_dtypes(&self, _: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        Ok(vec![Some(self.grids.dtype())])
    }
}

#[cfg(test)]
pub(crate) mod testing;
