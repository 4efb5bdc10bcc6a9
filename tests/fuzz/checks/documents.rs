//! Policies, catalogues, cases: whatever is written, faults and no panic.

use std::sync::{Arc, LazyLock};

use sekisho::catalogue::Catalogue;
use sekisho::decision::cases;
use sekisho::policy::{Source, Vocabulary, load};

static VOCABULARY: LazyLock<Arc<Vocabulary>> = LazyLock::new(|| Arc::new(Vocabulary::compiled_in().unwrap()));

/// Panics where a promise is broken.
pub fn check(bytes: &[u8]) {
    let [choice, rest @ ..] = bytes else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let source = Source::new("document.toml", text);
    let faults = match choice % 3 {
        0 => load(vec![source], &VOCABULARY).err(),
        1 => Catalogue::read([source], &VOCABULARY).err(),
        _ => cases::read(source).err(),
    };
    if let Some(faults) = faults {
        assert!(!faults.to_string().is_empty(), "a fault that says nothing");
    }
}
