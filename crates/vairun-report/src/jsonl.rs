use serde_json::Value;
use vairun_compare::Report;

/// The report in lines of JSON: first the report without its records, then each record.
///
/// The lines need no more memory to read than one tensor's; together they say what [`crate::json`] says.
pub fn jsonl(report: &Report) -> String {
    let head = Report { records: Vec::new(), ..report.clone() };
    let mut head = serde_json::to_value(head).expect("a report has only string keys");
    if let Value::Object(fields) = &mut head {
        fields.remove("records");
    }
    let records =
        report.records.iter().map(|record| serde_json::to_value(record).expect("as above"));
    std::iter::once(head).chain(records).map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn the_lines_make_the_report() {
        let report = fixture::failing();
        let text = jsonl(&report);
        let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut whole = lines.next().unwrap();
        whole["records"] = lines.collect();
        assert_eq!(serde_json::from_value::<Report>(whole).unwrap(), report);
    }
}
