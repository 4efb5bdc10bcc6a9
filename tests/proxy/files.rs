//! Settings and key files: what is refused, and how it is said.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sekisho::proxy::keys::{self, Keys};
use sekisho::proxy::settings::{EXAMPLE, Settings, files};

use super::support::{Scratch, chmod};

fn faults(text: &str) -> String {
    Settings::parse(text, Path::new("/etc/sekisho/sekisho.toml")).err().map_or_else(String::new, |e| e.to_string())
}

#[test]
fn the_example_is_sound_and_what_it_comments_out_is_known() {
    assert_eq!(faults(EXAMPLE), "");
    let with_all: String = EXAMPLE
        .lines()
        .map(|line| {
            line.strip_prefix("# ").filter(|rest| rest.contains(" = ") || rest.starts_with('[')).unwrap_or(line)
        })
        .filter(|line| !line.starts_with("upstream-roots") && !line.starts_with("catalogue"))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(faults(&with_all), "");
}

#[test]
fn a_sink_that_makes_no_sense_is_told_with_its_place() {
    let sink = |name: &str, format: &str, to: &str| {
        format!("[[audit.sink]]\nname = \"{name}\"\nformat = \"{format}\"\nto = \"{to}\"\n")
    };
    for (tables, told) in [
        (sink("SIEM", "csv", "file:a"), "`SIEM` is not 1 to 32 of a-z, 0-9 and -"),
        (sink("a", "csv", "file:a") + &sink("a", "ocsf", "file:b"), "`a` is there twice"),
        (sink("a", "xml", "file:a"), "there are jsonl, csv, ocsf, fhir, otlp, syslog"),
        (sink("a", "csv", "http://siem.example/"), "`audit.sink.to`: `http://siem.example/` is not `file:PATH`"),
        (sink("a", "csv", "syslog://siem.example:514"), "takes `syslog`, not `csv`"),
    ] {
        let said = faults(&format!("{EXAMPLE}\n{tables}"));
        assert!(said.contains(told) && said.lines().count() == 1, "{said}");
    }
    assert_eq!(faults(&format!("{EXAMPLE}\n{}", sink("a", "syslog", "syslog+tcp://siem.example:601"))), "");
    let short = faults(&EXAMPLE.replace("# retention-days = 2192", "retention-days = 1095"));
    assert!(short.contains("`audit.retention-days`: `1095` is not in 1096..=36525"), "{short}");
}

#[test]
fn the_example_comments_out_the_defaults() {
    let uncommented: String = EXAMPLE
        .lines()
        .map(|line| {
            line.strip_prefix("# ").filter(|rest| rest.contains("-ms = ") || rest.contains("-max = ")).unwrap_or(line)
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let read = |text: &str| Settings::parse(text, Path::new("/s.toml")).unwrap();
    let (plain, shown) = (read(EXAMPLE), read(&uncommented));
    assert_eq!(plain.limits, shown.limits);
    assert_eq!(plain.sites, shown.sites);
    assert_eq!(plain.data.staleness_ms_max, shown.data.staleness_ms_max);
}

#[test]
fn paths_are_relative_to_the_settings() {
    let settings = Settings::parse(EXAMPLE, Path::new("/etc/sekisho/sekisho.toml")).unwrap();
    assert_eq!(settings.data.keys, Path::new("/etc/sekisho/keys"));
    assert_eq!(settings.sites[0].policy, Path::new("/etc/sekisho/policy/jmdp"));
}

#[test]
fn links_begin_with_an_origin_and_nothing_else() {
    let with = |origin: &str| EXAMPLE.replace("path = \"/\"", &format!("path = \"/\"\npublic-origin = \"{origin}\""));
    let read = Settings::parse(&with("https://api.example:8443"), Path::new("/s.toml")).unwrap();
    assert_eq!(read.sites[0].public_origin, "https://api.example:8443");
    for bad in ["https://api.example/", "api.example", "https://", "javascript://x", "https://a@b"] {
        assert!(faults(&with(bad)).contains("`public-origin`"), "{bad}");
    }
}

#[test]
fn every_fault_is_told_at_once_with_line_value_and_what_is_accepted() {
    let text = EXAMPLE
        .replace("listen = \"127.0.0.1:8443\"", "listen = \"0.0.0.0:8443\"\nlisen = 1")
        .replace("# header-ms = 10000", "header-ms = 0")
        .replace("upstream = \"http://127.0.0.1:9000\"", "upstream = \"ftp://x\"")
        .replace("algorithms = [\"RS256\"]", "algorithms = [\"none\"]");
    let told = faults(&text);
    for expected in [
        "`0.0.0.0:8443` is not a loopback address",
        "unknown key `lisen` (did you mean `listen`?)",
        "`limits.header-ms`: `0` is not in 10..=3600000",
        "upstream `ftp://x` does not begin with `http://` or `https://`",
        "issuer.algorithms: `none` is not one of",
    ] {
        assert!(told.contains(expected), "{expected} is missing in\n{told}");
    }
    assert!(told.lines().all(|line| line.starts_with("/etc/sekisho/sekisho.toml:")), "{told}");
    let line = text.lines().position(|line| line == "header-ms = 0").unwrap() + 1;
    assert!(told.contains(&format!("sekisho.toml:{line}:")), "{told}");
}

#[test]
fn a_file_that_others_may_write_is_refused() {
    let scratch = Scratch::new();
    let path = scratch.write("sekisho.toml", EXAMPLE, 0o644);
    assert!(Settings::read(&path).is_ok());
    for mode in [0o664, 0o646] {
        chmod(&path, mode);
        assert!(Settings::read(&path).err().unwrap().to_string().contains("chmod go-w"), "{mode:o}");
    }
    chmod(&path, 0o644);
    chmod(&scratch.0, 0o777);
    assert!(Settings::read(&path).is_err(), "others could put another in its place");
    chmod(&scratch.0, 0o755);
    assert!(Settings::read(&path).is_ok());
    assert!(files::read(&scratch.0).is_err(), "a folder");
}

#[test]
fn keys_are_made_once_for_the_owner_alone_and_never_replaced() {
    let scratch = Scratch::new();
    let folder = scratch.0.join("keys");
    assert!(
        keys::init(&folder, keys::Made { records: true, signed: false }).is_err(),
        "made beside a log that they cannot open"
    );
    assert!(!folder.exists());
    keys::init(&folder, Default::default()).unwrap();
    let texts = keys::FILES.map(|name| std::fs::read_to_string(folder.join(name)).unwrap());
    for name in keys::FILES {
        assert_eq!(folder.join(name).metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(keys::init(&folder, Default::default()).is_err());
    std::fs::remove_file(folder.join("pseudonym")).unwrap();
    assert!(keys::init(&folder, Default::default()).is_err(), "one of two is there");
    assert!(!folder.join("pseudonym").exists(), "a half was made");
    assert!(Keys::read(&folder).is_err(), "a lost key");
    assert_eq!(std::fs::read_to_string(folder.join("subjects")).unwrap(), texts[1]);
}

/// A log of the first releases was never signed: its keys have one file less. One that was signed has lost a key.
#[test]
fn a_key_that_signs_is_made_beside_the_others_only_where_nothing_was_ever_signed() {
    let scratch = Scratch::new();
    let folder = scratch.0.join("keys");
    keys::init(&folder, Default::default()).unwrap();
    std::fs::remove_file(folder.join("audit-sign")).unwrap();
    let others = ["pseudonym", "subjects"].map(|name| std::fs::read_to_string(folder.join(name)).unwrap());
    assert!(Keys::read(&folder).is_err(), "a lost key");
    assert!(keys::init(&folder, keys::Made { records: true, signed: true }).is_err());
    assert_eq!(keys::init(&folder, keys::Made { records: true, signed: false }).unwrap(), ["audit-sign"]);
    assert_eq!(["pseudonym", "subjects"].map(|name| std::fs::read_to_string(folder.join(name)).unwrap()), others);
    assert!(Keys::read(&folder).is_ok());
    let path = folder.join("audit-sign");
    let text = std::fs::read_to_string(&path).unwrap();
    let key = text.lines().last().unwrap();
    let zeros = "key AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    for damaged in ["", "\n", "key\n", "retired x\n", &format!("{zeros}\n"), &format!("{key}\n{key}\n{key}\n")] {
        std::fs::write(&path, format!("sekisho audit-sign 1\n{damaged}")).unwrap();
        let error = Keys::read(&folder).err().unwrap_or_else(|| panic!("{damaged}")).to_string();
        assert!(!error.contains(&key[4..12]), "{error}");
    }
}

#[test]
fn damaged_keys_are_refused_and_not_quoted() {
    let scratch = Scratch::new();
    let folder = scratch.0.join("keys");
    keys::init(&folder, Default::default()).unwrap();
    assert!(Keys::read(&folder).is_ok());
    let path = folder.join("pseudonym");
    let text = std::fs::read_to_string(&path).unwrap();
    let key = text.lines().last().unwrap().strip_prefix("key ").unwrap().to_owned();
    let damaged = [
        text.replace("sekisho pseudonym 1", "sekisho pseudonym 2"),
        text.replace("epoch 1\n", ""),
        text.replace("epoch 1", "epoch -1"),
        text.replace(&key, &key[..key.len() - 4]),
        text.replace(&key, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        format!("{text}key {key}\n"),
        format!("{text}other {key}\n"),
    ];
    for damaged in damaged {
        std::fs::write(&path, damaged).unwrap();
        let error = Keys::read(&folder).err().unwrap().to_string();
        assert!(!error.contains(&key[..8]), "{error}");
    }
    std::fs::write(&path, text).unwrap();
    chmod(&path, 0o640);
    assert!(Keys::read(&folder).is_err(), "the group may read it");
}
