//! What in a filled log would a reviewer want to find? The accesses here are beside the ordinary ones, in full.
//!
//! | name | who, where | when | what |
//! |---|---|---|---|
//! | `snooping-clerk` | `rc-sato`, sakura | 26, 28 and 30 October, 19:30 to 21:00 | 60 to 80 charts an evening, after a month of some 15 a day |
//! | `neighbour` | `rc-sato`, sakura | the same evenings | `p-0117` nine times each |
//! | `break-glass` | `nr-kudo`, sakura | 27 October, 2:30 to 2:50 | vital interest, at night: obligation `review` |
//! | `reviewed-rights` | `lo-mori`, sakura | 8 October | a right exercised without consent: `review` |
//! | `reviewed-article-4` | `po-hara`, jmdp | 14 October | what article 4 leaves open: `review` |
//! | `reviewed-collapse` | `po-ueda`, cellspect | 20 October | somebody collapsed at a check: `review` |
//! | `past-contract` | `cb-desk`, 22cemit | 16 to 23 October | contract to 15 October: refused each time |
//! | `campaign` | `mk-abe`, `mk-ono`, cellspect | 27 to 30 October | contact data of many for one campaign |
//! | `first-campaign` | `an-wada`, cellspect | 29 October | the first use of that purpose by this caller |
//! | `export` | `ru-lim`, jmdp | 21 and 22 October | all donors for research, page by page |
//!
//! On the days of [`NEW_MEMBER`] the backend of jsco answers a member that no catalogue names.

use super::people::{Caller, of, staff};
use crate::demo::sample::Org;

/// One thing out of the ordinary. It is both what is asked and what may be looked for.
#[derive(Clone, Copy)]
pub struct Odd {
    /// Its name.
    pub name: &'static str,
    /// Where.
    pub org: Org,
    /// Who.
    pub caller: Caller,
    /// The `Purpose-Of-Use` field.
    pub purpose: &'static str,
    /// What is asked; `####` stands for a number of `pool`.
    pub target: &'static str,
    /// The numbers of whom is asked about, from and to.
    pub pool: (u64, u64),
    /// The days, in Tokyo.
    pub days: &'static [&'static str],
    /// Between which minutes after midnight.
    pub minutes: (u64, u64),
    /// How many a day, at least and at most.
    pub a_day: (u64, u64),
    /// What the log says to each.
    pub shows: Shows,
}

/// What stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// A permit like any other.
    Permit,
    /// A permit with the obligation `review`.
    Review,
    /// A refusal.
    Refusal,
}

/// A member that the backend of an organisation answers on some days, and no catalogue names.
pub struct NewMember {
    /// Where.
    pub org: Org,
    /// Its name.
    pub name: &'static str,
    /// The days, in Tokyo.
    pub days: &'static [&'static str],
}

/// Since the middle of the month, and taken out again.
pub const NEW_MEMBER: NewMember =
    NewMember { org: Org::Jsco, name: "line_account", days: &["2026-10-15", "2026-10-16", "2026-10-19", "2026-10-20"] };

const EVENINGS: &[&str] = &["2026-10-26", "2026-10-28", "2026-10-30"];
const CAMPAIGN: &[&str] = &["2026-10-27", "2026-10-28", "2026-10-29", "2026-10-30"];
const AFTER_THE_CONTRACT: &[&str] =
    &["2026-10-16", "2026-10-19", "2026-10-20", "2026-10-21", "2026-10-22", "2026-10-23"];

/// The clerk who looks at more than she should.
pub(super) const CLERK: Caller = staff("rc-sato", &["receptionist"]);
/// The nurse on call; at night the privacy officer's deputy.
pub(super) const ON_CALL: Caller = staff("nr-kudo", &["nurse", "privacy-officer"]);
/// The contractor whose contract ends in the middle of the month.
pub(super) const CONTRACTOR: Caller = of("cb-desk", "centre-b");
pub(super) const MARKETER: Caller = staff("mk-abe", &["marketing-staff"]);
pub(super) const OTHER_MARKETER: Caller = staff("mk-ono", &["marketing-staff"]);
/// An analyst to whom marketing lent its role for a day.
pub(super) const ANALYST: Caller = staff("an-wada", &["analyst", "marketing-staff"]);
pub(super) const RESEARCHER: Caller = of("ru-lim", "univ-a");

const CLERKS: &str = "administration.user-information";

/// All of them.
pub const ODD: &[Odd] = &[
    Odd {
        name: "snooping-clerk",
        org: Org::Sakura,
        caller: CLERK,
        purpose: CLERKS,
        target: "/patients/p-####",
        pool: (10, 230),
        days: EVENINGS,
        minutes: (1170, 1260),
        a_day: (60, 80),
        shows: Shows::Permit,
    },
    Odd {
        name: "neighbour",
        org: Org::Sakura,
        caller: CLERK,
        purpose: CLERKS,
        target: "/patients/p-0117",
        pool: (1, 1),
        days: EVENINGS,
        minutes: (1170, 1260),
        a_day: (9, 9),
        shows: Shows::Permit,
    },
    Odd {
        name: "break-glass",
        org: Org::Sakura,
        caller: ON_CALL,
        purpose: "exception;basis=\"vital-interest\";recipient=\"hospital\";reason=\"unconscious, no relative reached\"",
        target: "/patients/p-0088",
        pool: (1, 1),
        days: &["2026-10-27"],
        minutes: (150, 170),
        a_day: (1, 1),
        shows: Shows::Review,
    },
    Odd {
        name: "reviewed-rights",
        org: Org::Sakura,
        caller: staff("lo-mori", &["legal-officer"]),
        purpose: "rights-exercise;basis=\"vital-interest\";recipient=\"third-party\";reason=\"the debtor is dissolving the estate\"",
        target: "/patients/p-0061",
        pool: (1, 1),
        days: &["2026-10-08"],
        minutes: (640, 700),
        a_day: (1, 1),
        shows: Shows::Review,
    },
    Odd {
        name: "reviewed-article-4",
        org: Org::Jmdp,
        caller: staff("po-hara", &["privacy-officer"]),
        purpose: "other-article-4;reason=\"a survey that the ministry asked for\"",
        target: "/donors/d-0051",
        pool: (1, 1),
        days: &["2026-10-14"],
        minutes: (840, 900),
        a_day: (1, 1),
        shows: Shows::Review,
    },
    Odd {
        name: "reviewed-collapse",
        org: Org::Cellspect,
        caller: staff("po-ueda", &["privacy-officer"]),
        purpose: "exception;basis=\"vital-interest\";recipient=\"third-party\";reason=\"collapsed, cannot be asked\"",
        target: "/users/u-0042",
        pool: (1, 1),
        days: &["2026-10-20"],
        minutes: (900, 930),
        a_day: (1, 1),
        shows: Shows::Review,
    },
    Odd {
        name: "past-contract",
        org: Org::Cemit,
        caller: CONTRACTOR,
        purpose: "service;basis=\"outsourcing\"",
        target: "/users/u-####",
        pool: (10, 200),
        days: AFTER_THE_CONTRACT,
        minutes: (560, 1020),
        a_day: (6, 9),
        shows: Shows::Refusal,
    },
    Odd { caller: MARKETER, ..MARKETING },
    Odd { caller: OTHER_MARKETER, ..MARKETING },
    Odd {
        name: "first-campaign",
        caller: ANALYST,
        days: &["2026-10-29"],
        minutes: (1080, 1140),
        a_day: (25, 30),
        ..MARKETING
    },
    Odd {
        name: "export",
        org: Org::Jmdp,
        caller: RESEARCHER,
        purpose: "research;basis=\"academic-research\"",
        target: "/donors?size=120&page=#",
        pool: (0, 1),
        days: &["2026-10-21", "2026-10-22"],
        minutes: (1000, 1100),
        a_day: (4, 4),
        shows: Shows::Permit,
    },
];

const MARKETING: Odd = Odd {
    name: "campaign",
    org: Org::Cellspect,
    caller: MARKETER,
    purpose: "health-check.campaign",
    target: "/users/u-####",
    pool: (5, 240),
    days: CAMPAIGN,
    minutes: (570, 1050),
    a_day: (50, 70),
    shows: Shows::Permit,
};
