use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use vairun_compare::{Record, Report};

use crate::words;

/// The report as JUnit XML: a suite for the model, a test case for each tensor, its operator as the class.
///
/// Why the check fails although no tensor does (nothing was compared) is a case of its own, `comparison`.
pub fn junit(report: &Report) -> String {
    let mut suite = TestSuite::new(format!("vairun check {}", printable(&report.model)));
    suite.add_property(("golden", printable(&report.golden.join(", ")).as_str()));
    suite.add_property(("vairun", report.vairun.as_str()));
    suite.add_test_cases(report.records.iter().map(case));
    if let Some(problem) = &report.summary.problem {
        suite.add_test_case(failed("comparison", "vairun", problem, ""));
    }
    let mut junit = quick_junit::Report::new("vairun check");
    junit.add_test_suite(suite);
    junit.to_string().expect("the text is UTF-8 without control characters") + "\n"
}

fn case(record: &Record) -> TestCase {
    let class = words::origin(record);
    if record.pass() {
        let mut case = TestCase::new(printable(&record.name), TestCaseStatus::success());
        case.set_classname(printable(class));
        return case;
    }
    let word = words::status(record.status);
    let message = format!("{word}: {}", words::reasons(record));
    failed(&record.name, class, &message, &description(record))
}

fn failed(name: &str, class: &str, message: &str, description: &str) -> TestCase {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_message(printable(message));
    if !description.is_empty() {
        status.set_description(printable(description));
    }
    let mut case = TestCase::new(printable(name), status);
    case.set_classname(printable(class));
    case
}

fn description(record: &Record) -> String {
    let mut lines = vec![format!("node {} · {}", record.node, words::typed(record))];
    for (title, comparison) in
        [("as the model runs", &record.cumulative), ("alone", &record.isolated)]
    {
        if let Some(comparison) = comparison {
            lines.push(format!("{title}: {}", words::measured(comparison)));
        }
    }
    if let Some(worst) = words::metrics(record).and_then(|m| m.worst.first()) {
        lines.push(format!(
            "worst element {:?}: got {}, expected {}",
            worst.index, worst.got, worst.want
        ));
    }
    let explanations = record.diagnosis.iter().flat_map(|diagnosis| &diagnosis.explanations);
    lines.extend(explanations.map(|explanation| format!("why: {}", explanation.text)));
    lines.join("\n")
}

/// XML has no control characters, not even escaped.
fn printable(text: &str) -> String {
    let legal = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    text.chars()
        .map(|c| if legal(c) && !matches!(c, '\u{fffe}' | '\u{ffff}') { c } else { '\u{fffd}' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn a_failing_check_for_a_ci_server() {
        let text = junit(&fixture::failing());
        insta::assert_snapshot!(text);
    }

    #[test]
    fn nothing_compared_is_a_failing_case() {
        let mut report = fixture::passing();
        report.records.clear();
        report.summarize();
        let text = junit(&report);
        assert!(text.contains("failures=\"1\"") && text.contains("no golden tensor"), "{text}");
    }

    #[test]
    fn names_of_any_characters_make_legal_xml() {
        let mut report = fixture::failing();
        report.records[1].name = "a<b>&\"\u{0}\u{1b}[31m".into();
        let text = junit(&report);
        assert!(text.contains("a&lt;b&gt;&amp;&quot;\u{fffd}\u{fffd}[31m"), "{text}");
    }
}
