//! `resize`: nearest neighbours and linear interpolation, exact in integers.

use vairun_numeric::fixed::Sampling;

use super::grid::{Codes, Kind};
use super::reader::Reader;
use super::scope::{Draft, Edge, Lowered, Scope, declared_shape};
use super::sums::repeated;
use crate::proto::OpNode;

/// `resize`.
pub(super) fn resize(scope: &mut Scope, op: &OpNode, reader: &Reader) -> Lowered {
    let edge = scope.input(op, "input")?;
    let (draft, kind) = draft(op, reader, edge)?;
    scope.push_op(op, draft, kind)
}

/// The node, and what it makes.
pub(super) fn draft(op: &OpNode, reader: &Reader, edge: Edge) -> Result<(Draft, Kind), String> {
    // The sizes stand in the shapes.
    reader.ignore(&["scale"]);
    let mode = reader.required_text("mode")?;
    let align_corners = reader.flag("align_corners")?;
    let half_pixel_centers = reader.flag("half_pixel_centers")?;
    let output = declared_shape(op)?;
    let rank = edge.shape.len();
    let spatial = match (mode, rank) {
        ("NEAREST", 4 | 5) | ("BILINEAR", 4) | ("TRILINEAR", 5) => 1..rank - 1,
        _ => return Err(format!("`mode` {mode} of {:?} is not supported", edge.shape)),
    };
    let kept = |d: &usize| output.get(*d) == edge.shape.get(*d);
    if output.len() != rank || !(0..rank).filter(|d| !spatial.contains(d)).all(|d| kept(&d)) {
        return Err(format!("it resizes {:?} to {output:?}", edge.shape));
    }
    let sampling = |d: usize| {
        let sampling =
            Sampling { input: edge.shape[d], output: output[d], align_corners, half_pixel_centers };
        sampling.denominator().ok_or_else(|| format!("it resizes {:?} to {output:?}", edge.shape))
    };
    let kind = match mode {
        "NEAREST" => {
            spatial.clone().try_for_each(|d| sampling(d).map(|_| ()))?;
            edge.kind
        }
        _ => {
            let denominators = spatial.clone().map(sampling).collect::<Result<Vec<_>, _>>()?;
            Kind::Codes(interpolated(edge.codes()?, &denominators)?)
        }
    };
    let size: Vec<i64> = output[spatial].iter().map(|&dim| dim as i64).collect();
    let draft = Draft::new(op, vec![edge])
        .with_type("resize")
        .text("mode", mode)
        .int("align_corners", align_corners.into())
        .int("half_pixel_centers", half_pixel_centers.into())
        .ints("size", &size);
    Ok((draft, kind))
}

/// Weighted means whose weights have these denominators.
fn interpolated(codes: Codes, denominators: &[i64]) -> Result<Codes, String> {
    let too_fine = || "its weights need too many digits".to_owned();
    let all = denominators.iter().try_fold(1i64, |all, &d| all.checked_mul(d));
    let all = all.ok_or_else(too_fine)?;
    let grid = codes.grid.divided(all).ok_or_else(too_fine)?;
    repeated(codes, usize::try_from(all).map_err(|_| too_fine())?, grid)
}
