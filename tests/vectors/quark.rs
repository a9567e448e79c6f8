//! `com.amd.quark`, and `com.vai.quantize` before it, against the operator library of amd-quark 0.13.

use anyhow::Result;
use vairun::{Exec, Model};

use super::{Report, cases, check};

#[test]
fn every_case_is_the_librarys() -> Result<()> {
    let Some((folder, index)) = cases("quark")? else { return Ok(()) };
    for exec in [Exec::Fused, Exec::Unfused] {
        let builder = Model::builder().exec(exec);
        let mut report = Report::default();
        for name in index.iter().map(|case| case["name"].as_str().unwrap()) {
            report.case(name, || check(&builder, &folder, name));
        }
        report.finish(index.len(), &[]);
    }
    Ok(())
}
