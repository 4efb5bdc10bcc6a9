//! Cellspect: a certified dataset that is open, beside live records that are not; staff and users kept apart.

use super::{EXPECT, Expect, STEP, Step, Token, Who};

const HEALTH_CHECK: Who = Who::staff("health_check", "health-check staff", &["health-check-staff"]);
const ANALYST: Who = Who::staff("analyst", "an analyst", &["analyst"]);
const GENERAL: Who = Who::staff("general", "general affairs staff", &["general-affairs-staff"]);
const PERSONNEL: Who = Who::staff("personnel", "human resources staff", &["human-resources-staff"]);
const CUSTOMER: Who = Who::of("customer", "a customer of the data platform", "pharma-a");
const PARTNER: Who = Who::of("partner", "a joint user of unpublished items", "partner-a");

const PLATFORM: &str = "health-check.anonymised-platform;basis=\"anonymised\"";

pub(super) const STEPS: &[Step] = &[
    Step {
        story: "A customer gets the certified dataset: the listed items, coarse, no one's name",
        token: Token::Of(&CUSTOMER),
        purpose: PLATFORM,
        target: "/platform/dataset?size=3",
        is_sample: true,
        expect: Expect {
            present: &["/records/0/exam/hba1c", "/records/0/gender", "/records/0/steps"],
            absent: &["/records/0/name", "/records/0/phone", "/records/0/born"],
            count: &[("/records", 3)],
            ..EXPECT
        },
        ..STEP
    },
    Step {
        story: "The same customer asks the live records for the same",
        token: Token::Of(&CUSTOMER),
        purpose: PLATFORM,
        target: "/users/u-0001/checks",
        is_sample: true,
        expect: Expect { status: 403, code: "basis-not-met", ..EXPECT },
        ..STEP
    },
    Step {
        story: "Health-check staff see the results of whom they serve",
        token: Token::Of(&HEALTH_CHECK),
        purpose: "health-check.operation",
        target: "/users/u-0001/checks",
        is_sample: true,
        expect: Expect {
            present: &["/items/0/item", "/items/0/value"],
            absent: &["/items/0/device_code", "/total"],
            ..EXPECT
        },
        ..STEP
    },
    Step {
        story: "An analyst sees pseudonyms, and health without the person",
        token: Token::Of(&ANALYST),
        purpose: "health-check.usage-analysis",
        target: "/users?size=3",
        is_sample: true,
        expect: Expect {
            present: &["/items/0/gender", "/items/0/condition"],
            absent: &["/items/0/name", "/items/0/phone", "/items/0/email", "/items/0/my_number", "/items/0/notes"],
            changed: &["/items/0/id", "/items/0/born"],
            count: &[("/items", 3)],
            ..EXPECT
        },
        ..STEP
    },
    Step {
        story: "A joint user, while the joint use is not published",
        token: Token::Of(&PARTNER),
        purpose: "health-check.operation",
        target: "/users/u-0001",
        is_sample: true,
        expect: Expect { status: 403, code: "recipient-not-permitted", ..EXPECT },
        ..STEP
    },
    Step {
        story: "Someone was informed of a campaign, which is another purpose",
        token: Token::Of(&HEALTH_CHECK),
        purpose: "health-check.individually-informed",
        target: "/users/u-0001/checks",
        expect: Expect { status: 403, code: "not-informed", ..EXPECT },
        ..STEP
    },
    Step {
        story: "Someone else was informed of this one",
        token: Token::Of(&HEALTH_CHECK),
        purpose: "health-check.individually-informed",
        target: "/users/u-0002/checks",
        expect: Expect { clause: "H.1.9", present: &["/items/0/value"], absent: &["/items/0/device_code"], ..EXPECT },
        ..STEP
    },
    Step {
        story: "Health-check results under the purpose of consultation",
        token: Token::Of(&GENERAL),
        purpose: "consultation",
        target: "/users/u-0001/checks",
        expect: Expect { status: 403, code: "purpose-not-for-subject-class", ..EXPECT },
        ..STEP
    },
    Step {
        story: "An employee under the purpose of reports to shareholders",
        token: Token::Of(&GENERAL),
        purpose: "shareholder.reports",
        target: "/employees/e-0001",
        expect: Expect { status: 403, code: "purpose-not-for-subject-class", ..EXPECT },
        ..STEP
    },
    Step {
        story: "Human resources see the employee, not his health, nor his family",
        token: Token::Of(&PERSONNEL),
        purpose: "personnel",
        target: "/employees/e-0001",
        expect: Expect {
            present: &["/name/kanji", "/department", "/account"],
            absent: &["/checkup", "/family", "/my_number", "/password_hash", "/portrait", "/notes"],
            ..EXPECT
        },
        ..STEP
    },
    Step {
        story: "An applicant is no employee",
        token: Token::Of(&PERSONNEL),
        purpose: "personnel",
        target: "/applicants/a-0001",
        expect: Expect { status: 403, code: "purpose-not-for-subject-class", ..EXPECT },
        ..STEP
    },
];
