//! 22nd Century Advanced Medical Information Organisation: statistics for those who commission, records for nobody else.

use super::{EXPECT, Expect, STEP, Step, Token, Who};

const SERVICE: Who = Who::staff("service", "service staff", &["service-staff"]);
const MARKETING: Who = Who::staff("marketing", "marketing staff", &["marketing-staff"]);
const ANALYST: Who = Who::staff("analyst", "an analyst", &["analyst"]);
const COMMISSIONER: Who = Who::of("commissioner", "a company that commissioned a survey", "market-a");
const UNIVERSITY: Who = Who::of("university", "a university", "univ-c");
const LABORATORY: Who = Who::of("laboratory", "a company's laboratory", "lab-a");
const CONTRACTOR: Who = Who::of("contractor", "a contractor entrusted with service", "centre-a");
const USER: Who = Who::herself("user", "the user himself, verified", "u-0002");

const ACADEMIC: &str = "exception;basis=\"academic-research\";reason=\"a cohort study; consent of all cannot be had\"";

pub(super) const STEPS: &[Step] = &[
    Step {
        story: "Service staff see whom they serve, not how he lives or what ails him",
        token: Token::Of(&SERVICE),
        purpose: "service",
        target: "/users/u-0001",
        is_sample: true,
        expect: Expect {
            present: &["/name/kanji", "/phone"],
            absent: &["/condition", "/history", "/lifestyle/steps", "/my_number", "/password_hash", "/legacy_code"],
            ..EXPECT
        },
        ..STEP
    },
    Step {
        story: "The commissioner asks for one person's answers: nothing there for him",
        token: Token::Of(&COMMISSIONER),
        purpose: "survey;basis=\"consent\"",
        target: "/users/u-0001/surveys",
        is_sample: true,
        expect: Expect { status: 404, code: "not-available", ..EXPECT },
        ..STEP
    },
    Step {
        story: "The commissioner gets statistics; cells that count few are left out",
        token: Token::Of(&COMMISSIONER),
        purpose: "survey;basis=\"statistical\"",
        target: "/statistics/users-by-prefecture",
        is_sample: true,
        expect: Expect { clause: "7", present: &["/cells/0/group", "/cells/0/persons"], ..EXPECT },
        ..STEP
    },
    Step {
        story: "An analyst of the house sees pseudonyms and years of birth, no names",
        token: Token::Of(&ANALYST),
        purpose: "analysis",
        target: "/users?size=4",
        is_sample: true,
        expect: Expect {
            present: &["/items/0/gender", "/items/0/lifestyle/steps"],
            absent: &["/items/0/name", "/items/0/phone", "/items/0/employer", "/items/0/my_number", "/total"],
            changed: &["/items/0/id", "/items/0/born"],
            count: &[("/items", 4)],
            ..EXPECT
        },
        ..STEP
    },
    Step {
        story: "A university studies examinations, as the law excepts academic research",
        token: Token::Of(&UNIVERSITY),
        purpose: ACADEMIC,
        target: "/users/u-0001/exams",
        expect: Expect { clause: "4.5", present: &["/items/0/value"], absent: &["/total"], ..EXPECT },
        ..STEP
    },
    Step {
        story: "A company's laboratory says that it is academic",
        token: Token::Of(&LABORATORY),
        purpose: ACADEMIC,
        target: "/users/u-0001/exams",
        is_sample: true,
        expect: Expect { status: 403, ..EXPECT },
        ..STEP
    },
    Step {
        story: "A merging body claims succession: this policy has none",
        token: Token::Of(&LABORATORY),
        purpose: "service;basis=\"succession\"",
        target: "/users/u-0001",
        expect: Expect { status: 403, code: "basis-not-met", ..EXPECT },
        ..STEP
    },
    Step {
        story: "The same claims joint use",
        token: Token::Of(&LABORATORY),
        purpose: "service;basis=\"joint-use\"",
        target: "/users/u-0001",
        expect: Expect { status: 403, code: "basis-not-met", ..EXPECT },
        ..STEP
    },
    Step {
        story: "A contractor does what it is entrusted with",
        token: Token::Of(&CONTRACTOR),
        purpose: "service;basis=\"outsourcing\"",
        target: "/users/u-0001",
        expect: Expect {
            clause: "8.3",
            present: &["/name/kanji"],
            absent: &["/condition", "/my_number", "/password_hash"],
            ..EXPECT
        },
        ..STEP
    },
    Step {
        story: "The contractor uses the same data for an analysis of its own",
        token: Token::Of(&CONTRACTOR),
        purpose: "analysis;basis=\"outsourcing\"",
        target: "/users/u-0001",
        expect: Expect { status: 403, code: "recipient-not-permitted", ..EXPECT },
        ..STEP
    },
    Step {
        story: "A user had use stopped: the next survey does not reach him",
        token: Token::Of(&MARKETING),
        purpose: "survey",
        target: "/users/u-0002",
        expect: Expect { status: 403, code: "restricted", ..EXPECT },
        ..STEP
    },
    Step {
        story: "He himself still sees his record",
        token: Token::Of(&USER),
        purpose: "principal-request.disclosure",
        target: "/users/u-0002",
        expect: Expect {
            clause: "5",
            present: &["/name/kanji", "/condition"],
            absent: &["/password_hash", "/legacy_code"],
            shows_my_number: true,
            ..EXPECT
        },
        ..STEP
    },
];
