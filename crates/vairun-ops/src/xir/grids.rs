use vairun_numeric::fixed::Grid;
use vairun_tensor::DType;

use crate::attrs::Attrs;
use crate::error::{BuildError, OpError};
use crate::spec::NodeSpec;

/// Fix positions beyond this make no sense and would overflow the arithmetic on them.
const FIX_POINTS: std::ops::RangeInclusive<i64> = -2048..=2048;

/// On which grids the values of a node lie.
#[derive(Clone, Debug)]
pub(super) struct Grids {
    inputs: Vec<Grid>,
    output: Option<Grid>,
    dtype: DType,
}

impl Grids {
    /// From the attributes that every node of the domain has.
    pub(super) fn read(spec: &NodeSpec, attrs: &Attrs) -> Result<Self, BuildError> {
        let count = spec.inputs.len();
        let list = |name, default: i64| {
            let values = attrs.ints(name)?.map_or_else(|| vec![default; count], <[i64]>::to_vec);
            match values.len() == count {
                true => Ok(values),
                false => Err(Attrs::value(name, format!("{values:?}"), "one for each input")),
            }
        };
        let (fix_points, divisors) = (list("input_fix_points", 0)?, list("input_divisors", 1)?);
        let inputs = fix_points.into_iter().zip(divisors).map(|(fix_point, divisor)| {
            grid(("input_fix_points", fix_point), ("input_divisors", divisor))
        });
        let divisor = attrs.int("output_divisor")?.unwrap_or(1);
        let output = attrs.int("output_fix_point")?;
        let output = output.map(|f| grid(("output_fix_point", f), ("output_divisor", divisor)));
        let dtype = attrs.dtype("output_type")?;
        let dtype = dtype.ok_or_else(|| BuildError::MissingAttribute("output_type".into()))?;
        if dtype != DType::F32 && (output.is_none() || !is_code(dtype)) {
            return Err(Attrs::value(
                "output_type",
                dtype,
                "float32, or codes with `output_fix_point`",
            ));
        }
        Ok(Self { inputs: inputs.collect::<Result<_, _>>()?, output: output.transpose()?, dtype })
    }

    /// The grid of input `index`; meaningless for real numbers.
    pub(super) fn input(&self, index: usize) -> Grid {
        self.inputs[index]
    }

    /// The element type of the output.
    pub(super) fn dtype(&self) -> DType {
        self.dtype
    }

    /// Whether the output is float32.
    pub(super) fn is_real(&self) -> bool {
        self.dtype == DType::F32
    }

    /// The grid of the output.
    ///
    /// # Errors
    /// [`OpError::Value`] for real numbers.
    pub(super) fn output(&self) -> Result<Grid, OpError> {
        self.output.filter(|_| !self.is_real()).ok_or_else(|| OpError::Value {
            input: "output_type".into(),
            got: self.dtype.to_string(),
            expected: "codes".into(),
        })
    }

    /// What codes of input `index` are multiplied with on the way to the output.
    ///
    /// # Errors
    /// [`OpError::Value`] where the grid of the output does not have all numbers of the input's.
    pub(super) fn multiplier(&self, index: usize) -> Result<i64, OpError> {
        let output = self.output()?;
        multiplier(self.input(index), output)
    }

    /// `(numerator, divisor)` from products of a code of each of the inputs `indices` to the output.
    ///
    /// # Errors
    /// As [`Grids::multiplier`].
    pub(super) fn product_ratio(
        &self,
        indices: impl Iterator<Item = usize>,
    ) -> Result<(i64, i64), OpError> {
        let output = self.output()?;
        let first = Grid::of(0);
        let grid = indices.map(|i| self.input(i)).try_fold(first, Grid::times);
        ratio(grid.ok_or_else(|| too_fine(output))?, output)
    }
}

/// As [`Grids::multiplier`] between any grids.
pub(super) fn multiplier(from: Grid, to: Grid) -> Result<i64, OpError> {
    from.multiplier(to).ok_or_else(|| OpError::Value {
        input: "output_fix_point".into(),
        got: format!("{to:?}"),
        expected: format!("a grid with the numbers of {from:?}"),
    })
}

/// The code of the integer `n`.
///
/// # Errors
/// [`OpError::Value`] where the grid does not have it.
pub(super) fn code_of(n: i64, grid: Grid) -> Result<i64, OpError> {
    grid.code_of(n).ok_or_else(|| OpError::Value {
        input: "output_fix_point".into(),
        got: format!("{grid:?}"),
        expected: format!("a grid with {n}"),
    })
}

/// `(numerator, divisor)` on the way from one grid to another that is not coarser by powers of two.
pub(super) fn ratio(from: Grid, to: Grid) -> Result<(i64, i64), OpError> {
    let common = vairun_numeric::fixed::gcd(from.divisor, to.divisor);
    let from_whole = Grid { divisor: 1, ..from };
    let to_whole = Grid { divisor: to.divisor / common, ..to };
    Ok((multiplier(from_whole, to_whole)?, from.divisor / common))
}

fn too_fine(output: Grid) -> OpError {
    OpError::Value {
        input: "input_fix_points".into(),
        got: "more digits than numbers have".into(),
        expected: format!("a product on {output:?}"),
    }
}

fn grid(
    (name, fix_point): (&'static str, i64),
    (divisor_name, divisor): (&'static str, i64),
) -> Result<Grid, BuildError> {
    if !FIX_POINTS.contains(&fix_point) {
        return Err(Attrs::value(name, fix_point, "-2048 to 2048"));
    }
    if divisor < 1 || divisor % 2 == 0 {
        return Err(Attrs::value(divisor_name, divisor, "odd numbers of at least 1"));
    }
    Ok(Grid { fix_point: fix_point as i32, divisor })
}

fn is_code(dtype: DType) -> bool {
    use DType::*;
    matches!(dtype, I4 | U4 | I8 | U8 | I16 | U16 | I32 | I64)
}
