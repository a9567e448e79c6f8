use super::*;
use crate::fixture;

#[test]
fn everything_that_is_known_stands_in_the_page() {
    let text = html(&fixture::failing());
    let parts = [
        "✗ FAIL",
        "m.onnx",
        "ref.npz",
        "First guilty tensor",
        "all 1 differences are ±1 on ties",
        "--round half-up",
        "The graph around it",
        "Error along the execution order",
        "✗ guilty",
        "✗ inherited",
        "✗ missing",
        "✓ pass",
        "q_fix",
        "closest: q",
        "Worst elements",
        "axis 1: 1 of 2 differ",
    ];
    parts.iter().for_each(|part| assert!(text.contains(part), "`{part}` is not in the page"));
    assert!(!html(&fixture::passing()).contains("First"), "nothing fails");
}

#[test]
fn names_are_text_whatever_they_hold() {
    let mut report = fixture::failing();
    let name = "<script>alert('x')</script>\"&";
    report.records[1].name = name.into();
    report.records[1].node = name.into();
    report.model = name.into();
    report.unmatched[0].name = name.into();
    let text = html(&report);
    assert_eq!(text.matches("<script").count(), 1, "only the page's own");
    assert!(!text.contains("alert('x')"), "quotes are escaped too");
}

#[test]
fn the_page_needs_no_network() {
    let text = html(&fixture::failing());
    assert!(text.contains("default-src 'none'"));
    for link in ["http:", "https:", "//cdn", "@import", "url(h"] {
        assert!(!text.contains(link), "{link}");
    }
}

#[test]
fn ids_are_unique() {
    let text = html(&fixture::failing());
    let mut ids: Vec<_> =
        text.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
}
