//! Japan Marrow Donor Program: joint use in four items, research by pseudonyms, and the Individual Number.

use super::{EXPECT, Expect, STEP, Step, Token, Who};

const COORDINATOR: Who = Who::staff("coordinator", "coordination staff", &["coordination-staff"]);
const RESEARCH_STAFF: Who = Who::staff("research_staff", "research staff", &["research-staff"]);
const OFFICER: Who = Who::staff("officer", "privacy officer", &["privacy-officer"]);
const CENTRE: Who = Who::of("centre", "a transplant centre, joint user", "tc-first");
const UNIVERSITY: Who = Who::of("university", "a university with an approval", "univ-a");
const LAPSING: Who = Who::of("lapsing", "a university whose approval ends", "univ-b");
const REGISTRY: Who = Who::of("registry", "a registry in Korea", "registry-kr");

const RESEARCH: &str = "research;basis=\"academic-research\"";
const NUMBERS_ACT: &str =
    "exception;basis=\"law\";recipient=\"authority\";act=\"Numbers Act\";reference=\"request 27\"";
const TAX_ACT: &str = "exception;basis=\"law\";recipient=\"authority\";act=\"Income Tax Act\";reference=\"request 28\"";

pub(super) const STEPS: &[Step] = &[
    Step {
        story: "Staff who coordinate see the donor, not what coordination never needs",
        token: Token::Of(&COORDINATOR),
        purpose: "coordination",
        target: "/donors/d-0001",
        is_sample: true,
        expect: Expect {
            clause: "II.3.1",
            present: &["/name/kanji", "/phone", "/born", "/hla/a", "/history/0"],
            absent: &["/my_number", "/password_hash", "/notes", "/legacy_code", "/photo_id"],
            ..EXPECT
        },
        ..STEP
    },
    Step {
        story: "A joint user sees the four published items of each donor, and no totals",
        token: Token::Of(&CENTRE),
        purpose: "coordination",
        target: "/donors?size=4",
        is_sample: true,
        expect: Expect {
            present: &["/items/0/name/kanji", "/items/0/address/full", "/items/0/hla/a"],
            absent: &[
                "/total",
                "/items/0/phone",
                "/items/0/born",
                "/items/0/id",
                "/items/0/email",
                "/items/0/my_number",
            ],
            // d-0003 stopped provision to third parties, which a joint user is not; d-0004 stopped all use.
            count: &[("/items", 4)],
            ..EXPECT
        },
        ..STEP
    },
    Step {
        story: "The same centre asks for research: joint use was not published for that",
        token: Token::Of(&CENTRE),
        purpose: "research",
        target: "/donors?size=4",
        is_sample: true,
        expect: Expect { status: 403, code: "recipient-not-permitted", ..EXPECT },
        ..STEP
    },
    Step {
        story: "An approved university gets pseudonyms and years of birth, no names",
        token: Token::Of(&UNIVERSITY),
        purpose: RESEARCH,
        target: "/donors?size=4",
        is_sample: true,
        expect: Expect {
            clause: "II.3.10",
            present: &["/items/0/gender", "/items/0/hla/a", "/items/0/body/height_cm"],
            absent: &[
                "/items/0/name",
                "/items/0/phone",
                "/items/0/email",
                "/items/0/my_number",
                "/items/0/legacy_code",
            ],
            changed: &["/items/0/id", "/items/0/born", "/items/0/address/postal_code"],
            // d-0003 stopped provision to third parties, d-0004 all use.
            count: &[("/items", 4)],
            ..EXPECT
        },
        ..STEP
    },
    Step {
        story: "It follows a pseudonym: the gate knows whom it means",
        token: Token::Of(&UNIVERSITY),
        purpose: RESEARCH,
        target: "/donors/{/items/0/id}",
        behind: "/donors/d-0001",
        expect: Expect {
            clause: "II.3.10",
            present: &["/gender", "/hla/a"],
            absent: &["/name", "/phone", "/my_number"],
            changed: &["/id", "/born"],
            ..EXPECT
        },
        ..STEP
    },
    Step {
        story: "It guesses a donor's real number: no different from one that does not exist",
        token: Token::Of(&UNIVERSITY),
        purpose: RESEARCH,
        target: "/donors/d-0001",
        expect: Expect { status: 404, code: "not-available", ..EXPECT },
        ..STEP
    },
    Step {
        story: "A registry abroad gets the one donor who consented to it, without a name",
        token: Token::Of(&REGISTRY),
        purpose: "coordination.international;basis=\"consent\"",
        target: "/donors?size=4",
        is_sample: true,
        expect: Expect {
            present: &["/items/0/gender", "/items/0/hla/a"],
            absent: &["/items/0/name", "/items/0/phone", "/items/0/address", "/total"],
            count: &[("/items", 1)],
            ..EXPECT
        },
        ..STEP
    },
    Step {
        story: "The Individual Number cannot be written under coordination",
        token: Token::Of(&COORDINATOR),
        purpose: "coordination",
        method: "PATCH",
        target: "/donors/d-0001",
        body: "{\"id\":\"d-0001\",\"my_number\":\"000000000000\"}",
        expect: Expect { status: 403, code: "prohibited", ..EXPECT },
        ..STEP
    },
    Step {
        story: "The Income Tax Act opens the record, but not the Individual Number",
        token: Token::Of(&OFFICER),
        purpose: TAX_ACT,
        target: "/donors/d-0001",
        expect: Expect {
            clause: "II.6",
            present: &["/name/kanji"],
            absent: &["/my_number", "/password_hash"],
            ..EXPECT
        },
        ..STEP
    },
    Step {
        story: "The Numbers Act with a reference opens it",
        token: Token::Of(&OFFICER),
        purpose: NUMBERS_ACT,
        target: "/donors/d-0001",
        expect: Expect {
            clause: "II.6",
            present: &["/name/kanji", "/my_number"],
            absent: &["/password_hash"],
            shows_my_number: true,
            ..EXPECT
        },
        ..STEP
    },
    Step {
        story: "Staff export all donors for improvement, line by line, gzip: pseudonyms",
        token: Token::Of(&RESEARCH_STAFF),
        purpose: "improvement",
        target: "/export/donors",
        fields: &[("accept-encoding", "gzip")],
        expect: Expect {
            present: &["/0/hla/a", "/0/gender"],
            absent: &["/0/name", "/0/phone", "/0/my_number", "/0/notes"],
            changed: &["/0/id", "/0/born"],
            count: &[("", 239)],
            ..EXPECT
        },
        ..STEP
    },
    Step {
        story: "A minute before midnight in Tokyo an approval still holds",
        token: Token::Of(&LAPSING),
        purpose: RESEARCH,
        target: "/donors?size=1",
        at: "2026-11-22T23:59:00+09:00",
        expect: Expect { clause: "II.3.10", changed: &["/items/0/id"], count: &[("/items", 1)], ..EXPECT },
        ..STEP
    },
    Step {
        story: "At midnight it has ended",
        token: Token::Of(&LAPSING),
        purpose: RESEARCH,
        target: "/donors?size=1",
        at: "2026-11-23T00:00:00+09:00",
        expect: Expect { status: 403, code: "approval-missing", ..EXPECT },
        ..STEP
    },
];
