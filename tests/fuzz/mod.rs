//! The corpus of the fuzzer, given to what the fuzzer gives it to.

mod charts;
mod checks;
mod table;

use std::path::Path;

/// Every input of a target's folder, in the order of their names.
fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty() && files.len() <= 200, "{} inputs in {}", files.len(), folder.display());
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        let held = std::panic::catch_unwind(|| check(&bytes));
        assert!(held.is_ok(), "{} breaks a promise", file.display());
    }
}

macro_rules! replayed {
    ($($test:ident: $target:ident,)*) => {
        $(#[test]
        fn $test() {
            replay(stringify!($target), checks::$target::check);
        })*

        /// A target whose corpus nobody replays would keep its past findings to itself.
        #[test]
        fn every_target_is_replayed() {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/targets");
            let mut targets: Vec<String> = std::fs::read_dir(root)
                .unwrap()
                .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
                .collect();
            targets.sort();
            assert_eq!(targets, [$(stringify!($target)),*]);
        }
    };
}

replayed! {
    past_declarations_are_read_as_they_promise: declaration,
    past_documents_end_in_faults_and_no_panic: documents,
    past_evaluations_keep_what_answers_promise: evaluation,
    past_records_leave_as_a_slow_redactor_says: fhir,
    past_requests_leave_the_gate_whole_or_cut: gate,
    past_segments_are_verified_or_named_as_bad: log,
    past_bodies_leave_as_a_slow_redactor_says: redact,
    past_targets_resolve_to_their_route_alone: target,
}

/// What is fuzzed has to be built of what is shipped; and only then are its dependencies those of the release build.
#[test]
fn the_fuzzer_s_dependencies_are_the_product_s() {
    let packages = |lock: &str| {
        let entries = lock.split("[[package]]").skip(1);
        entries.map(|entry| entry.lines().skip(1).take(2).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    let own = packages(include_str!("../../Cargo.lock"));
    let fuzzed = packages(include_str!("Cargo.lock"));
    let more: Vec<&String> = fuzzed.iter().filter(|package| !own.contains(package)).collect();
    let known = ["arbitrary", "libfuzzer-sys", "sekisho-fuzz"];
    assert!(more.iter().all(|package| known.iter().any(|name| package.contains(&format!("\"{name}\"")))), "{more:?}");
    assert!(fuzzed.len() > 100, "{}", fuzzed.len());
}
