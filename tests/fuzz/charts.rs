//! Charts that somebody else generated (PyPI `carebundle` 0.5.0, Apache-2.0, seed 7), compared with the slow redactor.
//!
//! One patient's is in the repository. `SEKISHO_CHARTS=FOLDER` reads the Bundles of a folder instead: `tests/redact/charts`
//! makes them.

use super::checks::fhir::{RELEASES, case};
use super::checks::slow::json::Json;

fn charts() -> (Vec<Vec<u8>>, bool) {
    let Some(folder) = std::env::var_os("SEKISHO_CHARTS") else {
        return (vec![include_bytes!("../fixtures/chart.json").to_vec()], false);
    };
    let files = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
    let charts: Vec<Vec<u8>> = files.map(|file| std::fs::read(file).unwrap()).collect();
    assert!(charts.len() > 1, "no charts in {}", folder.display());
    (charts, true)
}

#[test]
fn charts_leave_as_a_slow_redactor_says() {
    let (charts, many) = charts();
    let (mut kept, mut whole) = (0, 0);
    for choice in (0..RELEASES).filter(|choice| *choice < 5 || !many || choice % 4 == 1) {
        let bundle = case(choice, 1);
        for chart in &charts {
            let out = bundle.compare(chart, [choice.wrapping_mul(37), 200], usize::MAX);
            kept += usize::from(out.len() > 100);
            whole += usize::from(out.len() * 2 > chart.len());
        }
    }
    assert!(kept > 5 && whole > 1, "{kept} charts left, {whole} of them for the most part: what was tried?");
}

/// A cut between two bytes of a name, a number, an escape or a label must not change what leaves.
#[test]
fn every_single_cut_of_a_chart_s_records_is_the_same() {
    let (charts, many) = charts();
    for choice in [0, 2, 9] {
        let setup = case(choice, 0).setup(1 << 20);
        let chart =
            Json::read(&charts[usize::from(choice) % charts.len()], &sekisho::redact::Limits::default()).unwrap();
        let Some(Json::List(entries)) = chart.get("entry") else { panic!("a Bundle") };
        let records: Vec<String> = entries.iter().map(|entry| entry.get("resource").unwrap().compact()).collect();
        let mut seen = std::collections::HashMap::<&str, usize>::new();
        for (record, entry) in records.iter().zip(entries) {
            let Some(Json::Text(named)) = entry.get("resource").and_then(|resource| resource.get("resourceType"))
            else {
                panic!("a resource")
            };
            let count = seen.entry(named.as_str()).or_default();
            *count += 1;
            // Of each type some, or all of them.
            if *count > if many { 40 } else { 2 } {
                continue;
            }
            let (whole, end) = setup.run(&[record.as_bytes()]);
            assert!(end.is_ok(), "{record}");
            for cut in 0..=record.len() {
                let (out, end) = setup.run(&[&record.as_bytes()[..cut], &record.as_bytes()[cut..]]);
                assert!(end.is_ok() && out == whole, "cut {cut} of {record}");
            }
        }
    }
}
