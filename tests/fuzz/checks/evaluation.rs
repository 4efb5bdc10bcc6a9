//! Evaluation requests: an answer that keeps what answers promise, or a fault.

use std::path::Path;
use std::sync::LazyLock;

use sekisho::decision::evaluation::evaluate;
use sekisho::demo::sample::Org;
use sekisho::policy::Revisions;

static POLICIES: LazyLock<Vec<Revisions>> = LazyLock::new(|| {
    // This is a part of two packages, one deeper in the tree.
    let mut above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("policy"));
    let policy = above.find(|folder| folder.is_dir()).expect("the policies");
    Org::ALL.map(|org| sekisho::cli::documents::revisions(&policy.join(org.id())).unwrap()).into()
});

/// Panics where a promise is broken.
pub fn check(bytes: &[u8]) {
    let [choice, rest @ ..] = bytes else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let policy = &POLICIES[usize::from(*choice) % POLICIES.len()];
    let Ok(answer) = evaluate(text, policy, 1_795_305_600_000) else { return };
    let context = &answer["context"];
    let some = |name: &str| context[name].as_array().is_some_and(|list| !list.is_empty());
    let released = context["release"].as_object().unwrap().values().any(|form| form != "withheld");
    let request: serde_json::Value = serde_json::from_str(text).expect("only JSON is answered");
    let reads = ["read", "search"].iter().any(|action| request["action"]["name"] == *action);
    if answer["decision"] == true {
        assert!(some("clauses") && some("rules") && !some("reasons"), "{answer}");
        assert!(released || !reads, "{answer}");
    } else {
        assert!(some("reasons") && !released, "{answer}");
    }
    let deletes = request["action"]["name"] == "delete";
    for category in request["resource"]["properties"]["categories"].as_array().into_iter().flatten() {
        let told = context["release"].get(category.as_str().unwrap_or("")).is_some();
        assert!(told || (deletes && answer["decision"] == true), "`{category}` is not answered: {answer}");
    }
}
