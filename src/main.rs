//! The binary: parse, run, exit code.
use sekisho::cli::documents::{LoadError, revisions, source};
use std::path::Path;
fn main() {
    for org in std::env::args().skip(1) {
        let r = match revisions(Path::new(&org)) {
            Ok(r) => r,
            Err(LoadError::Faults(f)) => {
                println!("{f}");
                continue;
            }
            Err(e) => {
                println!("{e:?}");
                continue;
            }
        };
        let name = Path::new(&org).file_name().and_then(|n| n.to_str()).unwrap_or("");
        for p in [format!("policy/{name}/cases.toml")] {
            let Ok(s) = source(Path::new(&p)) else {
                println!("no {p}");
                continue;
            };
            match sekisho::decision::cases::read(s) {
                Err(f) => println!("{f}"),
                Ok(cases) => {
                    let mut bad = 0;
                    for c in &cases {
                        let d = c.run(&r, 0);
                        if !d.is_empty() {
                            bad += 1;
                            println!("{}:{} {}\n    {}", name, c.line, c.name, d.join("\n    "));
                        }
                    }
                    println!("{name}: {} cases, {} differ", cases.len(), bad);
                }
            }
        }
    }
}
