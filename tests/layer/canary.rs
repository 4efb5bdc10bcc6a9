//! Whatever is asked, no value of a category that may not leave does: sample data in which each value occurs once,
//! generated requests, and a bound computed beside the layer ([`super::cases`]).

use std::collections::HashSet;
use std::sync::Arc;

use sekisho::demo::sample::{Org, Sample};

use super::cases::{Case, Random, World, tokens};
use super::support::{Answer, Ask, NOW_MS, Stand};

async fn ask(stand: &Stand, case: &Case) -> Answer {
    stand.backend.chunk.store(case.chunk, std::sync::atomic::Ordering::SeqCst);
    let fields: &[(&str, &str)] = if case.dry_run { &[("purpose-of-use-dry-run", "?1")] } else { &[] };
    let (claims, purpose) = (case.claims(), case.declaration());
    let ask = Ask { method: &case.method, target: &case.target, claims, purpose: &purpose, body: &case.body, fields };
    stand.ask(ask).await
}

async fn run(org: Org, seed: u64, requests: usize) {
    let made = Sample::canaries(org, seed);
    // The same data again: the world reads them, the backend answers with them.
    let stand = Stand::with(Sample::canaries(org, seed).sample, org.catalogue(), &[]);
    let now_ms = NOW_MS.cast_signed();
    let mut world = World::new(org, &made, &stand.policy, Arc::clone(&stand.gate.registry), now_ms);
    let mut random = Random(seed);
    let (mut released, mut told) = (0, 0);
    for number in 0..requests {
        stand.clock_ms.fetch_add(100, std::sync::atomic::Ordering::SeqCst);
        let case = world.case(&mut random, number);
        let answer = ask(&stand, &case).await;
        let bound = world.bound(&case, now_ms);
        let told_all = format!("{:?} {}", answer.headers, answer.body);
        let leaks = world.leaks(&told_all, &case, bound);
        let words = format!(
            "{org:?} seed {seed} request {number}: {} {} `{}` by {:?}/{:?}",
            case.method,
            case.target,
            case.declaration(),
            case.role,
            case.organization
        );
        assert!(leaks.is_empty(), "{words}: {} {leaks:?} left", answer.status);
        released += usize::from(answer.status.is_success());
        told += tokens(&answer.body).filter(|token| world.canaries.contains_key(*token)).count();
        if answer.status.is_success() {
            world.learn(&answer.body);
        }
    }
    assert!(released > requests / 50 && told > requests, "{org:?}: {released} released with {told} values: vacuous");
    let people: HashSet<&String> = world.ids.values().flatten().collect();
    for line in stand.lines() {
        let record: serde_json::Value = serde_json::from_str(&line).unwrap();
        let caller = record["caller"]["id"].as_str().unwrap_or_default().to_owned();
        for token in tokens(&line).filter(|token| world.canaries.contains_key(*token)) {
            assert!(token == caller && people.contains(&caller), "seed {seed}: `{token}` on record: {line}");
        }
    }
}

const SEED: u64 = 20_261_122;
const REQUESTS: usize = 600;

#[tokio::test]
async fn no_canary_of_the_society_leaves_unless_its_category_may() {
    run(Org::Jsco, SEED, REQUESTS).await;
}

#[tokio::test]
async fn no_canary_of_the_donor_program_leaves_unless_its_category_may() {
    run(Org::Jmdp, SEED, REQUESTS).await;
}

#[tokio::test]
async fn no_canary_of_the_information_organisation_leaves_unless_its_category_may() {
    run(Org::Cemit, SEED, REQUESTS).await;
}

#[tokio::test]
async fn no_canary_of_the_health_checks_leaves_unless_its_category_may() {
    run(Org::Cellspect, SEED, REQUESTS).await;
}

#[tokio::test]
async fn no_canary_of_the_clinic_leaves_unless_its_category_may() {
    run(Org::Sakura, SEED, REQUESTS).await;
}
