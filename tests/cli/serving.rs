//! What the operator is told before a gate starts, and of a log that is not there.

use std::os::unix::fs::PermissionsExt;

use super::support::{Folder, sekisho};

/// Settings of one site, and its documents, writable by their owner alone.
pub(super) fn place(name: &str) -> Folder {
    let folder = Folder::of(name, "jmdp");
    let catalogue = concat!(env!("CARGO_MANIFEST_DIR"), "/policy/jmdp/catalogue.toml");
    folder.write("catalogue.toml", std::fs::read_to_string(catalogue).unwrap());
    folder.write("jwks.json", r#"{"keys":[]}"#);
    let settings = r#"node = "n"
[gate]
listen = "127.0.0.1:0"
[data]
directory = "data"
keys = "keys"
[[site]]
host = "*"
path = "/"
policy = "."
upstream = "http://127.0.0.1:9"
[[issuer]]
id = "https://login.example"
jwks = "jwks.json"
audience = ["a"]
algorithms = ["ES256"]
claims = { caller = "/sub", roles = "/roles" }
[issuer.may-assert.roles]
Coord = "coordination-staff"
"#;
    folder.write("sekisho.toml", settings);
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        std::fs::set_permissions(entry.unwrap().path(), std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    folder
}

fn check(folder: &Folder) -> super::support::Ran {
    sekisho(&["serve", "--check", "--config", &format!("{}/sekisho.toml", folder.path())])
}

#[test]
fn a_check_passes_nothing_that_would_stop_the_start() {
    let folder = place("serving-sound");
    let first = check(&folder);
    assert_eq!(first.code, 0, "{}{}", first.out, first.err);
    assert!(first.out.contains("sound") && first.out.contains("keys init"), "{}", first.out);
    // What is there is read, though something else is not there yet.
    folder.write("jwks.json", "{");
    let broken = check(&folder);
    assert!(broken.code == 2 && broken.out.contains("keys init"), "{}{}", broken.out, broken.err);
    folder.write("jwks.json", r#"{"keys":[]}"#);
    let made = sekisho(&["keys", "init", "--config", &format!("{}/sekisho.toml", folder.path())]);
    assert_eq!(made.code, 0, "{}", made.err);
    let sound = check(&folder);
    assert!(sound.code == 0 && !sound.out.contains("warning"), "{}", sound.out);

    folder.change("sekisho.toml", "\"coordination-staff\"", "\"coordination-stff\"");
    folder.change("policy.toml", "view = \"care\"", "view = \"caer\"");
    let wrong = check(&folder);
    assert_eq!(wrong.code, 2, "{}", wrong.out);
    assert!(wrong.out.contains("unknown view `caer`") && wrong.out.contains("faulty"), "{}", wrong.out);
    folder.change("policy.toml", "view = \"caer\"", "view = \"care\"");
    let role = check(&folder);
    let flat = role.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(role.code, 2, "{}", role.out);
    assert!(flat.contains("`coordination-stff`") && flat.contains("`coordination-staff` is near"), "{flat}");
    folder.change("sekisho.toml", "\"coordination-stff\"", "\"coordination-staff\"");

    let key = folder.0.join("keys/subjects");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(check(&folder).code, 2, "a key that others may read");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::remove_file(folder.0.join("catalogue.toml")).unwrap();
    assert_eq!(check(&folder).code, 2, "a document that is not there");
    assert!(!folder.0.join("data").exists(), "a check makes nothing");
}

#[test]
fn a_log_that_is_not_there_is_not_in_order() {
    let folder = Folder::new("serving-no-log");
    for command in ["verify", "tail"] {
        let ran = sekisho(&["audit", command, folder.path()]);
        assert_eq!(ran.code, 2, "{command}: {}", ran.out);
        assert!(ran.err.contains("there is no log in"), "{command}: {}", ran.err);
    }
    // The registry's chain alone: the gate's was taken away whole.
    std::fs::create_dir_all(folder.0.join("log/registry")).unwrap();
    let ran = sekisho(&["audit", "verify", folder.path()]);
    assert_eq!(ran.code, 2, "{}", ran.out);
    assert!(ran.err.contains("gate"), "{}", ran.err);
}

#[test]
fn a_route_that_cannot_show_whose_record_it_is_is_pointed_out() {
    let folder = place("serving-entry");
    folder.change(
        "catalogue.toml",
        "subject = { path = \"id\", body = \"/id\", entry = \"/id\" }",
        "subject = { path = \"id\", body = \"/id\" }",
    );
    let ran = sekisho(&["check", folder.path(), "--color", "never"]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    assert!(ran.out.contains("route `donors.one` does not say where a record names its subject"), "{}", ran.out);
}

#[test]
fn whoever_enters_an_organisation_again_is_told_that_both_entries_count() {
    let folder = place("serving-twice");
    let config = format!("{}/sekisho.toml", folder.path());
    assert_eq!(sekisho(&["keys", "init", "--config", &config]).code, 0);
    let add = |country: &str| {
        let words = ["registry", "--config", &config, "add", "organization", "id=tc-1", "recipient=transplant-center"];
        sekisho(&[&words[..], &[country, "purposes=coordination"]].concat())
    };
    let first = add("country=KR");
    assert!(first.code == 0 && !first.out.contains("note:"), "{}{}", first.out, first.err);
    let second = add("country=JP");
    assert!(
        second.code == 0 && second.out.contains("note: `tc-1` was on file already"),
        "{}{}",
        second.out,
        second.err
    );
    assert!(second.out.contains("registry end"), "{}", second.out);
}

#[test]
fn a_provider_of_sign_ins_that_is_not_understood_or_lets_nobody_in_is_a_fault() {
    let folder = place("serving-oidc");
    let made = sekisho(&["keys", "init", "--config", &format!("{}/sekisho.toml", folder.path())]);
    assert_eq!(made.code, 0, "{}", made.err);
    let secret = folder.write("keys/oidc-secret", "s3cret\n");
    let only = |mode| std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(mode)).unwrap();
    only(0o600);
    let oidc = "[console.oidc]\nissuer = \"https://login.example\"\nclient-id = \"console\"\norigin = \"https://console.example\"\n\
        client-secret = \"keys/oidc-secret\"\nclaims = { roles = \"/groups\" }\nroles = { staff = \"viewer\" }\n[[issuer]]";
    folder.change("sekisho.toml", "[[issuer]]", oidc);
    let sound = check(&folder);
    assert_eq!(sound.code, 0, "{}", sound.out);
    for (from, to, why) in [
        ("https://login.example\"\nclient", "http://login.example\"\nclient", "`http` one to a loopback address"),
        ("https://login.example\"\nclient", "login\"\nclient", "console.oidc.issuer"),
        ("\"console\"", "\"\"", "console.oidc.client-id"),
        ("https://console.example", "https://console.example/", "more than scheme, host and port"),
        ("https://console.example", "https://console.example/pages", "more than scheme, host and port"),
        ("https://console.example", "http://console.example", "`http` only to a loopback address"),
        ("\"/groups\"", "\"groups\"", "not a JSON Pointer"),
        ("roles = \"/groups\"", "role = \"/groups\"", "`role`"),
        ("staff = \"viewer\"", "staff = \"root\"", "`privacy-officer`"),
        ("roles = { staff = \"viewer\" }", "roles = {}", "nobody could sign in"),
        ("roles = { staff", "algorithms = [\"HS256\"]\nroles = { staff", "HS256"),
        ("keys/oidc-secret", "keys/oidc-none", "oidc-none"),
        ("roles = { staff", "root = \"none.pem\"\nroles = { staff", "none.pem"),
    ] {
        folder.change("sekisho.toml", from, to);
        let told = check(&folder);
        let flat = format!("{}{}", told.out, told.err).split_whitespace().collect::<Vec<_>>().join(" ");
        // What is not there yet may come before the gate is started.
        let is_missing = flat.contains("is not there yet");
        assert!((told.code != 0 || is_missing) && flat.contains(why), "{to}: {} {flat}", told.code);
        folder.change("sekisho.toml", to, from);
    }
    only(0o644);
    let told = check(&folder);
    assert!(told.code == 2 && told.out.contains("chmod 600"), "{}", told.out);
    only(0o600);
    folder.write("keys/oidc-secret", "\n");
    assert_eq!(check(&folder).code, 2, "an empty secret");
}
