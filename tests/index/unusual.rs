//! Who stands out: a clerk who looks people up in the evening, and nobody for having worked.

use super::support::*;
use sekisho::audit::{Begin, Caller, Decision, End, Log, Options, Outcome, Sealed};
use sekisho::index::Asking;
use sekisho::store::simulated::Simulated;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const DAY_MS: u64 = 86_400_000;
/// 2026-12-25T00:00:00+09:00: the days are Japan's.
const DAY_ONE: u64 = 1_798_124_400_000;

struct Ward {
    log: Log,
    hand: Hand,
    ids: u64,
}

impl Ward {
    fn new(disk: &Simulated) -> Ward {
        let options = Options { node: "gate-1".into(), ..Options::default() };
        let hand = Hand(Arc::new(AtomicU64::new(DAY_ONE)));
        let (log, _) = Log::open(Arc::new(disk.clone()), options, Arc::new(hand.clone())).unwrap();
        Ward { log, hand, ids: 0 }
    }

    /// One access a minute to each of these people.
    fn sees(&mut self, caller: &str, purpose: &str, at_ms: u64, people: std::ops::Range<u64>) {
        for (minute, person) in people.enumerate() {
            self.hand.0.store(at_ms + minute as u64 * 60_000, Ordering::SeqCst);
            self.ids += 1;
            let subjects: [Sealed; 1] = [sealed(person)];
            let decision = Decision {
                id: &format!("r-{}", self.ids),
                caller: Caller { issuer: "i", id: caller, ..Caller::default() },
                purpose: Some(purpose),
                method: "GET",
                action: "read",
                subjects: &subjects,
                mode: "enforce",
                ..Decision::default()
            };
            let ticket = self.log.begin(&Begin { decision, decision_us: None }).wait().unwrap();
            ticket.end(&End { outcome: Outcome::Completed, ..End::default() }).wait().unwrap();
        }
    }
}

#[test]
fn the_clerk_who_looked_seventy_people_up_in_an_evening_stands_on_top() {
    let disk = Simulated::new();
    let mut ward = Ward::new(&disk);
    for day in 0..21 {
        let morning = DAY_ONE + day * DAY_MS + 9 * 3_600_000;
        ward.sees("busy", "care", morning, day * 40..day * 40 + 38 + day % 5);
        ward.sees("clerk", "billing", morning + 2 * 3_600_000, day * 15..day * 15 + 14 + day % 3);
        // Often the same person: many accesses, few people.
        for hour in 4..8 {
            ward.sees("nurse", "care", morning + hour * 3_600_000, 0..3);
        }
    }
    let last = DAY_ONE + 21 * DAY_MS;
    ward.sees("busy", "care", last + 9 * 3_600_000, 0..41);
    for hour in 13..17 {
        ward.sees("nurse", "care", last + hour * 3_600_000, 0..3);
    }
    ward.sees("clerk", "care", last + 21 * 3_600_000, 100..170);
    ward.sees("newcomer", "care", last + 23 * 3_600_000, 0..30);
    ward.log.close();
    let file = File::new("unusual");
    let queries = file.built(&one(&disk));
    let asking = Asking { now_ms: last + DAY_MS, ahead_s: 32_400, days: 1, limit: 10 };
    let told = queries.unusual(asking).unwrap();
    let clerk = &told[0];
    assert_eq!(&*clerk.caller, "clerk", "{told:#?}");
    assert!(clerk.score > 10.0, "{clerk:?}");
    assert_eq!((clerk.people, clerk.most_people, clerk.accesses), (70, 70, 70));
    assert_eq!((clerk.usual_people, clerk.active_days), (15.0, 21));
    assert_eq!(clerk.most_on_ms, last, "the local day");
    assert_eq!((clerk.night_percent, clerk.usual_night_percent), (14, 0), "ten of seventy after ten in the evening");
    assert_eq!(clerk.new_purposes.iter().map(|one| &**one).collect::<Vec<_>>(), ["care"]);
    let score = |caller: &str| told.iter().find(|one| &*one.caller == caller).unwrap().score;
    assert!(score("busy") < 3.0 && score("nurse") < 1.0, "{told:#?}");
    let nurse = told.iter().find(|one| &*one.caller == "nurse").unwrap();
    assert_eq!((nurse.people, nurse.most_people, nurse.usual_people), (3, 3, 3.0), "each person once: {nurse:?}");
    assert_eq!((nurse.accesses, nurse.usual_accesses), (12, 12.0));
    assert_eq!(score("newcomer"), 0.0, "who has no past is not unlike it");
    let week = queries.unusual(Asking { days: 7, ..asking }).unwrap();
    assert_eq!(&*week[0].caller, "clerk");
    assert_eq!(week[0].most_people, 70);
    assert_eq!(queries.unusual(Asking { limit: 1, ..asking }).unwrap().len(), 1);
    let quiet = queries.unusual(Asking { now_ms: last, ..asking }).unwrap();
    assert!(quiet.iter().all(|one| one.score < 3.0), "the day before, nobody stood out: {quiet:#?}");
}
