//! Who asks in an ordinary month, how much, and for what? A few dozen callers, each with a habit.

use super::calendar::Hours;
use super::odd::{CLERK, CONTRACTOR, ON_CALL, RESEARCHER};
use crate::demo::sample::Org;
use crate::demo::script;

/// Somebody who calls.
#[derive(Clone, Copy)]
pub struct Caller {
    /// His id at the issuer.
    pub sub: &'static str,
    /// His organisation's id in the register; none for own staff.
    pub organization: Option<&'static str>,
    /// His roles among the organisation's staff.
    pub roles: &'static [&'static str],
}

/// One of the organisation's own staff.
pub(super) const fn staff(sub: &'static str, roles: &'static [&'static str]) -> Caller {
    Caller { sub, organization: None, roles }
}

/// Somebody of another organisation.
pub(super) const fn of(sub: &'static str, organization: &'static str) -> Caller {
    Caller { sub, organization: Some(organization), roles: &[] }
}

/// What a caller does day after day.
pub(super) struct Habit {
    pub(super) caller: Caller,
    /// The `Purpose-Of-Use` field.
    pub(super) purpose: &'static str,
    /// What is asked, one of these; `####` stands for a number of [`Habit::pool`].
    pub(super) targets: &'static [&'static str],
    /// Whom it is asked about, from and to.
    pub(super) pool: (u64, u64),
    /// How often on a working day, at least and at most.
    pub(super) a_day: (u64, u64),
    pub(super) hours: Hours,
    /// The last day, in Tokyo; none where empty.
    pub(super) until: &'static str,
}

const fn habit(caller: Caller, purpose: &'static str, targets: &'static [&'static str], a_day: (u64, u64)) -> Habit {
    Habit { caller, purpose, targets, pool: (1, 240), a_day, hours: Hours::Office, until: "" }
}

const CHART: &[&str] = &[
    "/patients/p-####",
    "/patients/p-####",
    "/patients/p-####/visits",
    "/patients/p-####/prescriptions",
    "/patients/p-####/exams",
];
const PHYSICIAN: &[&str] = &["physician"];
const NURSE: &[&str] = &["nurse"];
const RECEPTION: &[&str] = &["/patients/p-####"];
const INSURANCE: &[&str] = &["/patients/p-####/claims", "/patients/p-####/claims", "/patients/p-####"];
const USER_INFORMATION: &str = "administration.user-information";

const SAKURA: &[Habit] = &[
    habit(staff("dr-aoki", PHYSICIAN), "care", CHART, (34, 48)),
    habit(staff("dr-brandt", PHYSICIAN), "care", CHART, (26, 40)),
    habit(staff("dr-chiba", PHYSICIAN), "care", CHART, (30, 44)),
    habit(staff("nr-doi", NURSE), "care", CHART, (24, 36)),
    habit(staff("nr-endo", NURSE), "care", CHART, (20, 32)),
    Habit { hours: Hours::Night, ..habit(ON_CALL, "care", CHART, (5, 11)) },
    habit(CLERK, USER_INFORMATION, RECEPTION, (13, 18)),
    habit(staff("rc-fujii", &["receptionist"]), USER_INFORMATION, RECEPTION, (13, 19)),
    habit(staff("ic-goto", &["insurance-clerk"]), "insurance-administration", INSURANCE, (22, 32)),
    habit(staff("ac-honda", &["accountant"]), "administration.accounting", &["/patients/p-####/bills"], (14, 22)),
    habit(
        staff("qm-ito", &["quality-manager"]),
        "administration.care-improvement",
        &["/patients/p-####/visits"],
        (2, 6),
    ),
    habit(
        staff("st-jo", &["student"]),
        "operations.student-training",
        &["/patients?size=5&page=#", "/patients?gender=female&size=8"],
        (3, 8),
    ),
    habit(
        staff("dr-aoki", PHYSICIAN),
        "care.coordination;recipient=\"hospital\";organization=\"hospital-a\"",
        &["/patients/p-####"],
        (1, 4),
    ),
    habit(
        of("ha-desk", "hospital-a"),
        "care.inquiry-response;basis=\"implied-consent\"",
        &["/patients/p-####"],
        (1, 4),
    ),
    habit(
        of("li-desk", "life-a"),
        "insurance-administration.inquiry-response;basis=\"consent\"",
        &["/patients/p-####/claims"],
        (0, 2),
    ),
];

const SERVICE: &[&str] = &["service-staff"];
const COORDINATION: &[&str] = &["coordination-staff"];
const DONOR: &[&str] = &["/donors/d-####", "/donors/d-####", "/donors/d-####/exams", "/donors/d-####/coordinations"];
const RESEARCH: &str = "research;basis=\"academic-research\"";
const LISTS: &[&str] = &["/donors?size=10&page=#", "/donors?gender=female&size=15", "/donors?size=20&page=#"];

const JMDP: &[Habit] = &[
    habit(staff("co-kato", COORDINATION), "coordination", DONOR, (34, 50)),
    habit(staff("co-lee", COORDINATION), "coordination", DONOR, (30, 44)),
    habit(staff("co-maeda", COORDINATION), "coordination", DONOR, (28, 40)),
    Habit { pool: (1, 120), ..habit(staff("co-nagai", COORDINATION), "coordination", &["/patients/p-####"], (24, 36)) },
    Habit {
        pool: (1, 120),
        ..habit(
            staff("ac-oda", &["accounting-staff"]),
            "administration.accounting",
            &["/patients/p-####/patient-bills"],
            (12, 20),
        )
    },
    habit(
        staff("ms-rin", &["medical-safety-staff"]),
        "administration.medical-safety",
        &["/donors/d-####/exams"],
        (4, 9),
    ),
    habit(staff("re-saito", &["research-staff"]), "improvement", LISTS, (3, 8)),
    habit(of("tc-desk", "tc-first"), "coordination", &["/donors?size=4", "/donors?size=10"], (6, 14)),
    Habit { pool: (1, 9), ..habit(RESEARCHER, RESEARCH, LISTS, (4, 9)) },
    Habit { pool: (1, 9), ..habit(of("ru-tani", "univ-b"), RESEARCH, LISTS, (3, 7)) },
    Habit {
        hours: Hours::Program(480, 1200),
        ..habit(
            of("kr-batch", "registry-kr"),
            "coordination.international;basis=\"consent\"",
            &["/donors?size=4"],
            (2, 4),
        )
    },
];

const MEMBER: &[&str] = &["/members/m-####", "/members/m-####", "/members/m-####/fees"];
const OFFICE: &[&str] = &["office-staff"];

const JSCO: &[Habit] = &[
    habit(staff("of-abe", OFFICE), "services", MEMBER, (36, 52)),
    habit(staff("of-baba", OFFICE), "services", MEMBER, (32, 48)),
    habit(staff("of-cho", OFFICE), "services", MEMBER, (30, 44)),
    habit(staff("of-date", OFFICE), "inquiry", &["/members/m-####/inquiries", "/members/m-####"], (26, 38)),
    Habit {
        pool: (1, 60),
        ..habit(
            staff("se-eto", &["security-staff"]),
            "abuse-prevention",
            &["/users/u-####/web-logs", "/users/u-####"],
            (8, 16),
        )
    },
    habit(staff("of-abe", OFFICE), "services", &["/members?size=20&page=#"], (2, 5)),
    habit(of("pr-desk", "printer-b"), "services;basis=\"outsourcing\"", &["/members/m-####"], (8, 14)),
];

const CEMIT: &[Habit] = &[
    habit(staff("sv-fuse", SERVICE), "service", &["/users/u-####", "/users/u-####/payments"], (36, 50)),
    habit(staff("sv-gomi", SERVICE), "service", &["/users/u-####", "/users/u-####/payments"], (32, 46)),
    habit(staff("sv-hori", SERVICE), "inquiry", &["/users/u-####/inquiries", "/users/u-####"], (24, 38)),
    habit(staff("mk-ikeda", &["marketing-staff"]), "survey", &["/users/u-####/surveys", "/users/u-####"], (16, 28)),
    habit(
        staff("an-jin", &["analyst"]),
        "analysis",
        &["/users?size=10&page=#", "/users?gender=male&size=12"],
        (10, 18),
    ),
    habit(of("ca-desk", "centre-a"), "service;basis=\"outsourcing\"", &["/users/u-####"], (14, 24)),
    Habit { until: "2026-10-15", ..habit(CONTRACTOR, "service;basis=\"outsourcing\"", &["/users/u-####"], (8, 14)) },
    Habit {
        hours: Hours::Program(540, 1080),
        ..habit(
            of("ma-report", "market-a"),
            "survey;basis=\"statistical\"",
            &["/statistics/users-by-prefecture"],
            (1, 3),
        )
    },
];

const HEALTH_CHECK: &[&str] = &["health-check-staff"];
const CHECKS: &[&str] = &["/users/u-####/checks", "/users/u-####/checks", "/users/u-####"];

const CELLSPECT: &[Habit] = &[
    habit(staff("hc-kaji", HEALTH_CHECK), "health-check.operation", CHECKS, (36, 52)),
    habit(staff("hc-mori", HEALTH_CHECK), "health-check.operation", CHECKS, (30, 46)),
    habit(staff("hc-nishi", HEALTH_CHECK), "health-check.application", CHECKS, (26, 40)),
    habit(
        staff("hc-oka", HEALTH_CHECK),
        "health-check.enquiry",
        &["/users/u-####/enquiries", "/users/u-####"],
        (16, 28),
    ),
    habit(
        super::odd::ANALYST,
        "health-check.usage-analysis",
        &["/users?size=10&page=#", "/users?gender=male&size=12"],
        (8, 16),
    ),
    habit(super::odd::MARKETER, "health-check.marketing", &["/users/u-####"], (6, 12)),
    habit(super::odd::OTHER_MARKETER, "health-check.marketing", &["/users/u-####"], (6, 12)),
    Habit {
        pool: (1, 40),
        ..habit(staff("hr-sone", &["human-resources-staff"]), "personnel", &["/employees/e-####"], (8, 16))
    },
    Habit {
        pool: (1, 30),
        ..habit(staff("ga-toda", &["general-affairs-staff"]), "shareholder.rights", &["/shareholders/h-####"], (4, 10))
    },
    Habit {
        hours: Hours::Program(480, 1140),
        ..habit(
            of("ph-batch", "pharma-a"),
            "health-check.anonymised-platform;basis=\"anonymised\"",
            &["/platform/dataset?size=10"],
            (4, 8),
        )
    },
];

/// The habits of an organisation's callers.
pub(super) const fn habits(org: Org) -> &'static [Habit] {
    match org {
        Org::Jsco => JSCO,
        Org::Jmdp => JMDP,
        Org::Cemit => CEMIT,
        Org::Cellspect => CELLSPECT,
        Org::Sakura => SAKURA,
    }
}

/// A purpose of the policy that few of its callers may declare: what is chosen by mistake.
pub(super) const fn mistaken(org: Org) -> &'static str {
    match org {
        Org::Jsco => "abuse-prevention",
        Org::Jmdp => "administration.medical-safety",
        Org::Cemit => "site-operation",
        Org::Cellspect => "recruitment",
        Org::Sakura => "operations.case-study",
    }
}

/// What an organisation has on file: what the demonstration has, and those who call only here.
pub(super) fn on_file(org: Org) -> String {
    let more = match org {
        Org::Jsco => {
            "[[organization]]\nid = \"printer-b\"\nrecipient = \"contractor\"\ncountry = \"JP\"\npurposes = [\"services\"]\n"
        }
        Org::Cemit => {
            "[[organization]]\nid = \"centre-b\"\nrecipient = \"contractor\"\ncountry = \"JP\"\nfrom = 2025-04-01\n\
             until = 2026-10-15\npurposes = [\"service\"]\n"
        }
        Org::Jmdp | Org::Cellspect | Org::Sakura => "",
    };
    format!("{}\n{more}", script::seed(org))
}
