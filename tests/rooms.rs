//! The rooms of the house: who may use whom. The table stands in `src/lib.rs` too, under "Rooms".

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Each room with the rooms that it may use.
const ROOMS: [(&str, &[&str]); 14] = [
    ("policy", &[]),
    ("catalogue", &["policy"]),
    ("decision", &["policy"]),
    ("redact", &["policy", "catalogue"]),
    ("identity", &[]),
    ("registry", &["policy", "store"]),
    ("store", &[]),
    ("audit", &["store"]),
    ("index", &["audit", "store"]),
    ("review", &["audit", "index", "store"]),
    ("layer", &["policy", "catalogue", "decision", "redact", "identity", "registry", "audit"]),
    ("console", &["policy", "decision", "identity", "registry", "audit", "store", "index", "review"]),
    (
        "proxy",
        &["policy", "catalogue", "decision", "redact", "identity", "registry", "audit", "store", "layer", "console"],
    ),
    (
        "demo",
        &["policy", "catalogue", "decision", "redact", "identity", "registry", "audit", "store", "layer", "proxy"],
    ),
];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The rooms named after `crate::` outside comments; `crate::{a, b}` counts for each.
fn used(text: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for line in text.lines().map(str::trim_start).filter(|line| !line.starts_with("//")) {
        for (at, _) in line.match_indices("crate::") {
            let rest = &line[at + "crate::".len()..];
            let names: Vec<&str> = match rest.strip_prefix('{') {
                Some(list) => list.split('}').next().unwrap_or("").split(',').collect(),
                None => vec![rest],
            };
            for name in names {
                let name: String = name.trim().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                used.insert(name);
            }
        }
    }
    used
}

#[test]
fn rooms_use_only_their_neighbours() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (room, may_use) in ROOMS {
        let mut found = Vec::new();
        files(&source.join(room), &mut found);
        assert!(!found.is_empty(), "room `{room}` is empty");
        for file in found {
            for name in used(&std::fs::read_to_string(&file).unwrap()) {
                let fine = name == room || may_use.contains(&name.as_str());
                assert!(fine, "{}: `{room}` may not use `{name}`", file.display());
            }
        }
    }
}

#[test]
fn a_use_across_rooms_is_seen_however_it_is_written() {
    assert!(used("use crate::layer::Gate;").contains("layer"));
    assert!(used("    crate::{audit, proxy}::x()").contains("proxy"));
    assert!(used("// crate::layer is not used").is_empty());
}
