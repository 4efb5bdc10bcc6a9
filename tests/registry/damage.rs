//! What if the file is gone, cut short, overwritten or someone else's? An error, never an empty view.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rusqlite::Connection;
use sekisho::registry::{Registry, RegistryError, Stale};

use super::{Folder, NOW, add, entry, open};

fn failure(path: &Path) -> RegistryError {
    match open(path, false) {
        Err(error) => error,
        Ok(_) => panic!("it was opened"),
    }
}

fn stale(registry: &Registry) -> Stale {
    match registry.facts(NOW) {
        Err(stale) => stale,
        Ok(view) => panic!("a view of {} persons", view.persons()),
    }
}

/// A registry with some rows, closed, so that all of it lies in one file.
fn filled() -> Folder {
    let folder = Folder::new();
    let registry = folder.open();
    for subject in 0..200 {
        add(&registry, &format!("restriction subject=d-{subject} name=stop-use"));
    }
    folder
}

#[test]
fn no_file_is_an_error_unless_one_is_to_be_made() {
    let folder = Folder::new();
    assert!(matches!(failure(&folder.file()), RegistryError::Missing));
    drop(folder.open());
    open(&folder.file(), false).unwrap();
    let left: Vec<_> = fs::read_dir(folder.file().parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing is left beside it");
}

#[test]
fn the_files_are_for_the_owner_alone() {
    let folder = Folder::new();
    let registry = folder.open();
    add(&registry, "block subject=d-1");
    for file in fs::read_dir(folder.file().parent().unwrap()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.file_name());
    }
    drop(registry);
    fs::set_permissions(folder.file(), fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(failure(&folder.file()), RegistryError::Permissions(0o640)));
}

#[test]
fn an_empty_or_foreign_file_is_no_registry() {
    let folder = Folder::new();
    for content in [
        &b""[..],
        b"not a database, but long enough to be looked at by SQLite as one: ................................",
    ] {
        fs::write(folder.file(), content).unwrap();
        fs::set_permissions(folder.file(), fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(failure(&folder.file()), RegistryError::NotARegistry));
        assert!(
            matches!(open(&folder.file(), true).err(), Some(RegistryError::NotARegistry)),
            "nor is it written over"
        );
    }
    fs::remove_file(folder.file()).unwrap();
    Connection::open(folder.file()).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    fs::set_permissions(folder.file(), fs::Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(failure(&folder.file()), RegistryError::NotARegistry));
}

#[test]
fn a_newer_schema_is_refused() {
    let folder = filled();
    Connection::open(folder.file()).unwrap().pragma_update(None, "user_version", 2).unwrap();
    assert!(matches!(failure(&folder.file()), RegistryError::Newer(2, 1)));
}

#[test]
fn a_file_cut_short_anywhere_is_refused() {
    let folder = filled();
    let whole = fs::read(folder.file()).unwrap();
    for length in (0..whole.len()).step_by(2039) {
        fs::write(folder.file(), &whole[..length]).unwrap();
        failure(&folder.file());
    }
    fs::write(folder.file(), &whole).unwrap();
    assert_eq!(open(&folder.file(), false).unwrap().facts(NOW).unwrap().persons(), 200);
}

/// Each byte of the file is flipped in turn (every 151st, to end soon): the view is the same or there is none.
#[test]
fn a_flipped_byte_never_loses_a_stop() {
    let folder = filled();
    let whole = fs::read(folder.file()).unwrap();
    let mut refused = 0;
    for position in (0..whole.len()).step_by(151) {
        let mut flipped = whole.clone();
        flipped[position] ^= 0x15;
        fs::write(folder.file(), &flipped).unwrap();
        let Ok(registry) = open(&folder.file(), false) else {
            refused += 1;
            continue;
        };
        let view = registry.facts(NOW).unwrap();
        for subject in 0..200 {
            assert_eq!(view.person(&format!("d-{subject}")).restrictions, ["stop-use"], "byte {position}");
        }
    }
    assert!(refused > 20, "{refused} refused");
}

#[test]
fn a_row_rewritten_or_removed_behind_our_back_is_seen() {
    let rewritten = "DROP TRIGGER journal_is_final_update;
        UPDATE journal SET words = '{\"subject\":\"d-7\",\"name\":\"erased\"}' WHERE subject = 'd-7'";
    let removed = "DROP TRIGGER journal_is_final_delete; DELETE FROM journal WHERE subject = 'd-7'";
    for tampering in [rewritten, removed] {
        let folder = filled();
        Connection::open(folder.file()).unwrap().execute_batch(tampering).unwrap();
        assert!(matches!(failure(&folder.file()), RegistryError::Damaged(..)));
    }
}

#[test]
fn rows_are_final() {
    let folder = filled();
    let connection = Connection::open(folder.file()).unwrap();
    assert!(connection.execute("DELETE FROM journal", []).is_err());
    assert!(connection.execute("UPDATE journal SET subject = 'd-0'", []).is_err());
}

#[test]
fn a_file_removed_while_open_is_stale_and_takes_no_entry() {
    let folder = filled();
    let registry = folder.open();
    registry.facts(NOW).unwrap();
    let aside = folder.file().with_extension("aside");
    fs::rename(folder.file(), &aside).unwrap();
    assert!(matches!(stale(&registry), Stale::Gone));
    assert!(registry.add(&entry("block subject=d-1"), &[], "officer", NOW).is_err());
    fs::rename(&aside, folder.file()).unwrap();
    assert_eq!(registry.facts(NOW).unwrap().persons(), 200, "it is back");
}

#[test]
fn a_file_replaced_while_open_is_stale_and_takes_no_entry() {
    let folder = filled();
    let registry = folder.open();
    fs::remove_file(folder.file()).unwrap();
    drop(folder.open());
    assert!(matches!(stale(&registry), Stale::Replaced));
    assert!(registry.add(&entry("block subject=d-1"), &[], "officer", NOW).is_err());
}

/// Another process would make new ones, and the two would never see each other's changes.
#[test]
fn a_log_or_memory_removed_beside_an_open_file_is_stale_and_takes_no_entry() {
    for end in ["-wal", "-shm"] {
        let folder = filled();
        let registry = folder.open();
        registry.facts(NOW).unwrap();
        let mut name = folder.file().into_os_string();
        name.push(end);
        fs::remove_file(name).unwrap();
        assert!(matches!(stale(&registry), Stale::Replaced), "{end}");
        assert!(registry.add(&entry("block subject=d-1"), &[], "officer", NOW).is_err(), "{end}");
    }
}

#[test]
fn a_file_cut_short_while_open_is_stale() {
    let folder = filled();
    let registry = folder.open();
    registry.facts(NOW).unwrap();
    for length in [0, 100, 4096] {
        OpenOptions::new().write(true).open(folder.file()).unwrap().set_len(length).unwrap();
        assert!(matches!(stale(&registry), Stale::Unreadable(_)), "{length}");
        assert!(matches!(stale(&registry), Stale::Unreadable(_)), "{length}, asked again");
    }
}

#[test]
fn a_journal_that_lost_rows_while_open_is_stale() {
    let folder = filled();
    let registry = folder.open();
    registry.facts(NOW).unwrap();
    let tampering = "DROP TRIGGER journal_is_final_delete; DELETE FROM journal WHERE seq > 100";
    Connection::open(folder.file()).unwrap().execute_batch(tampering).unwrap();
    assert!(matches!(stale(&registry), Stale::Unreadable(RegistryError::Damaged(..))));
}

#[test]
fn a_row_that_cannot_be_read_is_stale_until_it_can() {
    let folder = filled();
    let registry = folder.open();
    registry.facts(NOW).unwrap();
    let forged = "INSERT INTO journal VALUES (201, 'add', 201, 'restriction', 'd-1', '{}', 'x', 0, zeroblob(32))";
    Connection::open(folder.file()).unwrap().execute_batch(forged).unwrap();
    for _ in 0..2 {
        assert!(matches!(stale(&registry), Stale::Unreadable(RegistryError::Damaged(201, _))));
    }
}
