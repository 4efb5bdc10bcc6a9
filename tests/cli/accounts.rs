//! `sekisho console account`: who may sign in.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use serde_json::json;

use super::serving::place;
use super::support::{Folder, Ran, command, sekisho, sekisho_fed};

const PASSWORD: &[u8] = b"a long enough password\n";

fn here(name: &str) -> Folder {
    let folder = place(name);
    let made = sekisho(&["keys", "init", "--config", &format!("{}/sekisho.toml", folder.path())]);
    assert_eq!(made.code, 0, "{}", made.err);
    folder
}

fn accounts(folder: &Folder, words: &[&str], typed: &[u8]) -> Ran {
    let config = format!("{}/sekisho.toml", folder.path());
    sekisho_fed(&[&["console", "account"], words, &["--config", &config]].concat(), typed)
}

#[test]
fn accounts_are_added_told_given_another_password_and_taken_out() {
    let folder = here("accounts");
    let nobody = accounts(&folder, &["list"], b"");
    assert!(nobody.code == 0 && nobody.out.contains("Nobody may sign in"), "{}", nobody.out);
    let added = accounts(&folder, &["add", "mika", "--role", "reviewer", "auditor", "--caller", "nr-mika"], PASSWORD);
    assert_eq!((added.code, added.out.as_str()), (0, "`mika` may sign in\n"), "{}", added.err);
    let file = folder.0.join("keys/console-accounts");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let kept = || std::fs::read_to_string(&file).unwrap();
    assert!(kept().contains("$argon2id$v=19$m=19456,t=2,p=1$") && !kept().contains("long enough"), "{}", kept());
    let told = accounts(&folder, &["list", "--json"], b"").json();
    assert_eq!(told["accounts"], json!([{"id": "mika", "callers": ["nr-mika"], "roles": ["reviewer", "auditor"]}]));
    accounts(&folder, &["list"], b"").assert_fits();

    let again = accounts(&folder, &["add", "mika", "--role", "viewer"], PASSWORD);
    assert!(again.code == 2 && again.err.contains("there is an account `mika` already"), "{}", again.err);
    let before = kept();
    for (words, typed) in [
        (&["add", "rin", "--role", "viewer"][..], &b"short\n"[..]),
        (&["add", "rin", "--role", "viewer"], b""),
        (&["add", "rin\"", "--role", "viewer"], PASSWORD),
        (&["add", "rin", "--role", "root"], PASSWORD),
        (&["add", "rin"], PASSWORD),
        (&["password", "mika"], b"mika1234567\n"),
        (&["password", "rin"], PASSWORD),
        (&["remove", "rin"], b""),
    ] {
        let refused = accounts(&folder, words, typed);
        assert!(refused.code == 2 && !refused.err.is_empty(), "{words:?}: {}{}", refused.out, refused.err);
        assert_eq!(kept(), before, "{words:?}");
    }
    let changed = accounts(&folder, &["password", "mika"], b"quite another password\n");
    assert_eq!((changed.code, changed.out.as_str()), (0, "`mika` has another password\n"), "{}", changed.err);
    assert_ne!(kept(), before);
    assert_eq!(accounts(&folder, &["remove", "mika"], b"").code, 0);
    assert!(!kept().contains("mika"));
}

#[test]
fn one_name_added_by_several_at_once_is_one_account() {
    let folder = here("accounts-race");
    let ran: Vec<Ran> = std::thread::scope(|scope| {
        let add = |_| scope.spawn(|| accounts(&folder, &["add", "mika", "--role", "viewer"], PASSWORD));
        let each: Vec<_> = (0..6).map(add).collect();
        each.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(ran.iter().filter(|one| one.code == 0).count(), 1, "one of them did it");
    assert!(ran.iter().all(|one| one.code == 0 || one.err.contains("there is an account `mika` already")));
    let told = accounts(&folder, &["list", "--json"], b"");
    assert_eq!(told.code, 0, "{}", told.err);
    assert_eq!(told.json()["accounts"].as_array().unwrap().len(), 1);
}

/// A keyboard may compose が of one letter or of two.
#[test]
fn a_name_is_the_same_however_it_is_composed() {
    let folder = here("accounts-composed");
    assert_eq!(accounts(&folder, &["add", "\u{304c}", "--role", "viewer"], PASSWORD).code, 0);
    let again = accounts(&folder, &["add", "\u{304b}\u{3099}", "--role", "viewer"], PASSWORD);
    assert!(again.err.contains("already"), "{}", again.err);
    assert_eq!(accounts(&folder, &["remove", "\u{304b}\u{3099}"], b"").code, 0);
}

/// On record one could be taken for the other.
#[test]
fn two_accounts_do_not_look_the_same() {
    let folder = here("accounts-alike");
    assert_eq!(accounts(&folder, &["add", "Mika-1", "--role", "viewer"], PASSWORD).code, 0);
    for alike in ["mika-1", "MIKA-1", "Ｍika-1", "mika-１"] {
        let again = accounts(&folder, &["add", alike, "--role", "privacy-officer"], PASSWORD);
        assert!(again.code == 2 && again.err.contains("`Mika-1` already, which looks like"), "{alike}: {}", again.err);
    }
    assert_eq!(accounts(&folder, &["add", "mika-2", "--role", "viewer"], PASSWORD).code, 0);
}

#[test]
fn a_file_of_accounts_that_is_not_read_whole_or_not_understood_is_said() {
    let folder = here("accounts-file");
    let file = folder.0.join("keys/console-accounts");
    assert_eq!(accounts(&folder, &["add", "mika", "--role", "viewer"], PASSWORD).code, 0);
    let sound = std::fs::read_to_string(&file).unwrap();
    folder.change("sekisho.toml", "[[issuer]]", "[console]\n[[issuer]]");
    let config = format!("{}/sekisho.toml", folder.path());
    folder.write("jwks.json", r#"{"keys":[]}"#);
    let check = || sekisho(&["serve", "--check", "--config", &config]);
    assert_eq!(check().code, 0, "{}", check().out);
    for (wrong, why) in [
        (format!("{sound}# {}\n", "x".repeat(1 << 20)), "larger than 1 MiB"),
        (sound.replacen("[[account]]", "[[acount]]", 1), "acount"),
        (format!("{sound}{}", sound.split_once('\n').unwrap().1), "there twice"),
    ] {
        std::fs::write(&file, wrong).unwrap();
        let told = accounts(&folder, &["list"], b"");
        let said = told.err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.code == 2 && said.contains(why), "{why}: {}{}", told.out, told.err);
        let checked = check();
        let flat = checked.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(checked.code == 2 && flat.contains(why), "{why}: {}{}", checked.out, checked.err);
    }
    std::fs::write(&file, sound).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(accounts(&folder, &["list"], b"").err.contains("chmod 600"));
    assert_eq!(check().code, 2, "a gate would not start with it");
}

/// A terminal, and somebody at it.
struct Typed {
    child: std::process::Child,
    hand: std::fs::File,
    seen_by_it: OwnedFd,
}

impl Typed {
    fn at(folder: &Folder, words: &[&str]) -> Typed {
        let hand = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&hand).unwrap();
        unlockpt(&hand).unwrap();
        let name = ptsname(&hand, Vec::new()).unwrap();
        let open = || rustix::fs::open(&*name, OFlags::RDWR | OFlags::NOCTTY, rustix::fs::Mode::empty()).unwrap();
        let config = format!("{}/sekisho.toml", folder.path());
        let mut command = command();
        command.args(["console", "account"]).args(words).args(["--config", &config]);
        command.stdin(Stdio::from(open())).stdout(Stdio::piped()).stderr(Stdio::piped());
        Typed { child: command.spawn().unwrap(), hand: hand.into(), seen_by_it: open() }
    }

    /// Waits for these words of standard error.
    fn until(&mut self, words: &str) {
        let (stderr, mut said) = (self.child.stderr.as_mut().unwrap(), Vec::new());
        while !String::from_utf8_lossy(&said).ends_with(words) {
            let mut byte = [0];
            assert_eq!(stderr.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&said));
            said.extend(byte);
        }
    }

    fn shows_what_is_typed(&self) -> bool {
        tcgetattr(&self.seen_by_it).unwrap().local_modes.contains(LocalModes::ECHO)
    }
}

#[test]
fn a_password_is_typed_unseen_and_the_terminal_is_as_before_also_when_it_is_broken_off() {
    let folder = here("accounts-typed");
    let mut typed = Typed::at(&folder, &["add", "mika", "--role", "viewer"]);
    typed.until("letters at least: ");
    assert!(!typed.shows_what_is_typed());
    typed.hand.write_all(PASSWORD).unwrap();
    typed.until("Once more: ");
    typed.hand.write_all(b"not quite the same\n").unwrap();
    typed.until("nothing was changed");
    assert_eq!(typed.child.wait().unwrap().code(), Some(2));
    assert!(typed.shows_what_is_typed());

    for signal in [Signal::INT, Signal::TERM] {
        let mut left = Typed::at(&folder, &["add", "mika", "--role", "viewer"]);
        left.until("letters at least: ");
        assert!(!left.shows_what_is_typed());
        kill_process(Pid::from_child(&left.child), signal).unwrap();
        assert_eq!(left.child.wait().unwrap().code(), Some(130));
        assert!(left.shows_what_is_typed(), "{signal:?}");
    }

    let mut typed = Typed::at(&folder, &["add", "mika", "--role", "viewer"]);
    typed.until("letters at least: ");
    typed.hand.write_all(PASSWORD).unwrap();
    typed.until("Once more: ");
    typed.hand.write_all(PASSWORD).unwrap();
    assert_eq!(typed.child.wait().unwrap().code(), Some(0));
    assert!(accounts(&folder, &["list"], b"").out.contains("mika"));
}
