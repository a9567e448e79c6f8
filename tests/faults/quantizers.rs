//! Faults of quantizers.

use anyhow::Result;

use super::codes::{Site, differs, like};
use super::subject::{Fault, Subject};
use crate::material::numbers;

/// Each fault at the first quantizer where it has an effect: computed so; the first of each cause also only stored so.
pub(super) fn faults(subject: &Subject) -> Result<Vec<Fault>> {
    let sites = subject.sites()?;
    let mut found: Vec<Fault> = Vec::new();
    for place in 0..sites[0].faults().len() {
        for site in &sites {
            if let Some((cause, faulty)) = at(subject, site, place)? {
                if found.iter().all(|other| other.cause != cause) {
                    found.push(subject.stored(cause, &site.y, faulty.clone()));
                }
                found.push(subject.lasting(cause, &site.y, faulty)?);
                break;
            }
        }
    }
    Ok(found)
}

/// The codes of a quantizer with a fault; `None` where they are the right ones.
fn at(
    subject: &Subject,
    site: &Site,
    place: usize,
) -> Result<Option<(&'static str, vairun::Tensor)>> {
    let (x, y) = (numbers(&subject.right[&site.x])?, &subject.right[&site.y]);
    let mut faults = site.faults();
    let right = numbers(y)?;
    // Where the range has other ends there are fewer faults: then this place is none of them.
    if place >= faults.len() {
        return Ok(None);
    }
    let (cause, code) = faults.swap_remove(place);
    let codes: Vec<f64> = x.iter().zip(&right).map(|(&x, &right)| code(x as f32, right)).collect();
    let faulty = like(y, &codes)?;
    // A tensor of one code everywhere looks as if any fault were in it.
    let varies = right.iter().any(|code| *code != right[0]);
    Ok((varies && differs(&faulty, y)?).then_some((cause, faulty)))
}
