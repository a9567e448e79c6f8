use std::io::Write;

use clap::{Args as ArgGroup, CommandFactory};

use vairun_numeric::round::Round;

use crate::args::Args;
use crate::closest::closest;
use crate::failure::{Done, Failure, Verdict};

/// Explains a verb or a topic.
#[derive(ArgGroup, Debug)]
pub(crate) struct HelpArgs {
    /// A verb, or one of: rounding, golden, exit-codes, inputs, dumps, json, json-schema
    topic: Option<String>,
}

/// The topics, each with its text.
const TOPICS: [(&str, &str); 6] = [
    ("golden", include_str!("../help/golden.txt")),
    ("exit-codes", include_str!("../help/exit-codes.txt")),
    ("inputs", include_str!("../help/inputs.txt")),
    ("dumps", include_str!("../help/dumps.txt")),
    ("json", include_str!("../help/json.txt")),
    ("json-schema", vairun_report::JSON_SCHEMA),
];

/// The topic whose table is computed.
const ROUNDING: &str = "rounding";

pub(crate) fn help(args: &HelpArgs) -> Done {
    let mut command = Args::command();
    command.build();
    let text = match args.topic.as_deref() {
        None => command.render_long_help().ansi().to_string(),
        Some(topic) => {
            let text = TOPICS.iter().find(|(name, _)| *name == topic);
            let verb = command.find_subcommand_mut(topic);
            match (text, verb) {
                _ if topic == ROUNDING => rounding(),
                (Some((_, text)), _) => (*text).to_owned(),
                (None, Some(verb)) => verb.render_long_help().ansi().to_string(),
                (None, None) => return Err(unknown(topic)),
            }
        }
    };
    write!(anstream::stdout(), "{text}")?;
    Ok(Verdict::Pass)
}

fn unknown(topic: &str) -> Failure {
    let command = Args::command();
    let verbs = command.get_subcommands().map(|verb| verb.get_name());
    let all: Vec<_> = verbs.chain(TOPICS.iter().map(|(name, _)| *name)).chain([ROUNDING]).collect();
    let failure =
        Failure::usage(format!("no help on `{topic}`; there is help on {}", all.join(", ")));
    match closest(topic, &all) {
        Some(name) => failure.help(format!("did you mean `vairun help {name}`?")),
        None => failure,
    }
}

/// What each rule makes of the numbers on which they differ.
fn rounding() -> String {
    let samples = [-2.5f32, -1.5, -0.5, 0.5, 1.5, 2.5];
    let mut text = format!("Rounding\n\n  {:<36}", "vai's method");
    samples.iter().for_each(|x| text += &format!("{x:>6}"));
    for rule in Round::ALL {
        text += &format!("\n  {}  {:<33}", rule.vai_code(), name(rule));
        samples.iter().for_each(|&x| text += &format!("{:>6}", rule.f32(x) + 0.0));
    }
    text + "\n\nQuantizers that differ in the rule alone, floor and ceil excepted, make codes that differ by one, on ties only.\n"
}

fn name(rule: Round) -> &'static str {
    match rule {
        Round::HalfUp => "half up: the DPU, DPU_ROUND",
        Round::HalfAway => "half away from zero: STD_ROUND",
        Round::Floor => "floor",
        Round::HalfUpBelowZeroElseEven => "half up below 0, else to even",
        Round::HalfTowardZero => "half toward zero",
        Round::Ceil => "ceil",
        Round::HalfEven => "half to even: ONNX, PY3_ROUND",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_rules_tells_them_apart() {
        let text = rounding();
        let row = |code: &str| text.lines().find(|line| line.starts_with(code)).unwrap();
        let numbers = |row: &str| row[38..].split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(numbers(row("  2")), "-2 -1 0 1 2 3");
        assert_eq!(numbers(row("  5")), "-2 -1 0 0 2 2");
        assert_eq!(numbers(row("  8")), "-2 -2 0 0 2 2");
    }
}
