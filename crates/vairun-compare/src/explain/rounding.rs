//! The golden was rounded by another rule.

use vairun_numeric::round::Round;
use vairun_numeric::variation::Variation;

use super::case::Case;
use crate::report::Explanation;

pub(super) fn test(case: &Case) -> Option<Explanation> {
    by_last_quantizer(case).or_else(|| truncated(case)).or_else(|| throughout(case))
}

/// Rounded toward zero, as a cast does.
fn truncated(case: &Case) -> Option<Explanation> {
    let left = case.left_by(&Variation { truncates: true, ..Variation::default() })?;
    let proof = case.vary_option("truncate");
    case.explanation("rounding", left, proof, || {
        format!("truncated (rounded toward zero, as a cast in C does): {left} differences")
    })
}

fn by_last_quantizer(case: &Case) -> Option<Explanation> {
    let tail = case.tail()?;
    let tried = Round::ALL.into_iter().filter(|&round| Some(round) != tail.round);
    let left = |round| Some((round, case.left_by(&Variation::rounding(round))?));
    let (rounds, left) = best(case, tried.filter_map(left).collect())?;
    let on_ties = ties(case);
    let proof = case.vary_option(rounds[0].name());
    case.explanation("rounding", left, proof, || {
        let own = tail.round.map_or("its own rule", Round::name);
        let ties = match on_ties {
            Some(true) => "all differences are on exact ties (fraction 0.5); ",
            _ => "",
        };
        format!("{ties}rounded {} instead of {own}: {left} differences", names(&rounds))
    })
}

/// Every quantizer between the golden's tensors, those of weights included.
fn throughout(case: &Case) -> Option<Explanation> {
    if !case.other_quantizers_round() {
        return None;
    }
    let left = |&round: &Round| Some((round, case.left_throughout(&Variation::rounding(round))?));
    let (rounds, left) = best(case, case.each_of(&Round::ALL, left))?;
    let proof = Some(format!("--round {}", rounds[0].name()));
    case.explanation("rounding", left, proof, || {
        format!("with every quantizer rounding {}: {left} differences", names(&rounds))
    })
}

/// The rules that leave the fewest differences, the most usual first, and these.
fn best(case: &Case, tried: Vec<(Round, u64)>) -> Option<(Vec<Round>, u64)> {
    let least = tried.iter().map(|(_, left)| *left).min().filter(|left| case.holds(*left))?;
    let fits = tried.into_iter().filter(|(_, left)| *left == least).map(|(round, _)| round);
    let mut rounds: Vec<Round> = fits.collect();
    let usual = [Round::HalfEven, Round::HalfUp, Round::HalfAway, Round::Floor];
    rounds
        .sort_by_key(|round| usual.iter().position(|other| other == round).unwrap_or(usual.len()));
    Some((rounds, least))
}

/// Whether every difference is on a tie: the two rules that differ in ties alone differ there.
fn ties(case: &Case) -> Option<bool> {
    let codes = |round| crate::measure::lanes::to_f64(&case.varied(&Variation::rounding(round))?);
    let (away, toward) = (codes(Round::HalfAway)?, codes(Round::HalfTowardZero)?);
    let mut pairs = case.numbers()?.pairs().zip(away.iter().zip(&toward));
    Some(
        pairs.all(|((got, want), (a, b))| {
            case.numbers().is_some_and(|n| n.same(got, want)) || a != b
        }),
    )
}

fn names(rounds: &[Round]) -> String {
    let mut text = rounds[0].name().to_owned();
    if rounds.len() > 1 {
        let others: Vec<_> = rounds[1..].iter().map(|round| round.name()).collect();
        text += &format!(" (or {})", others.join(", "));
    }
    text
}
