//! Japan Society of Clinical Oncology: three bases and no other, and what every stranger is told.

use super::{EXPECT, Expect, STEP, Step, Token, Who};

const OFFICE: Who = Who::staff("office", "office staff", &["office-staff"]);
const HOSPITAL: Who = Who::of("hospital", "a hospital", "hospital-a");
const POLICE: Who = Who::of("police", "the police", "police-a");
const PRINTER: Who = Who::of("printer", "a contractor, contract over", "printer-a");
const ABROAD: Who = Who::of("abroad", "a contractor in Vietnam", "printer-vn");
const MEMBER: Who = Who::herself("member", "the member herself, verified", "m-0003");

pub(super) const STEPS: &[Step] = &[
    Step {
        story: "Nobody in particular asks",
        target: "/members/m-0001",
        expect: Expect { status: 401, ..EXPECT },
        ..STEP
    },
    Step {
        story: "A token of an unknown issuer is no better",
        token: Token::Foreign,
        purpose: "services",
        target: "/members/m-0001",
        expect: Expect { status: 401, ..EXPECT },
        ..STEP
    },
    Step {
        story: "Staff who say no purpose are told which they may declare",
        token: Token::Of(&OFFICE),
        target: "/members/m-0001",
        expect: Expect { status: 400, code: "purpose-missing", present: &["/purposes/0"], ..EXPECT },
        ..STEP
    },
    Step {
        story: "Office staff serve a member: name and contact, not workplace nor number",
        token: Token::Of(&OFFICE),
        purpose: "services",
        target: "/members/m-0001",
        is_sample: true,
        expect: Expect {
            present: &["/name/kanji", "/email", "/born"],
            absent: &["/employer", "/specialty", "/my_number", "/password_hash", "/notes", "/legacy_code"],
            ..EXPECT
        },
        ..STEP
    },
    Step {
        story: "The list leaves out who stopped use and who is blocked, and its total; a page is full all the same",
        token: Token::Of(&OFFICE),
        purpose: "services",
        target: "/members?size=6",
        is_sample: true,
        expect: Expect { present: &["/items/0/name/kanji"], count: &[("/items", 6)], ..EXPECT },
        ..STEP
    },
    Step {
        story: "A member had use stopped: staff are refused, and told why",
        token: Token::Of(&OFFICE),
        purpose: "services",
        target: "/members/m-0003",
        is_sample: true,
        expect: Expect { status: 403, code: "restricted", ..EXPECT },
        ..STEP
    },
    Step {
        story: "She herself sees her whole record all the same",
        token: Token::Of(&MEMBER),
        purpose: "principal-request.disclosure",
        target: "/members/m-0003",
        is_sample: true,
        expect: Expect {
            clause: "5",
            present: &["/name/kanji", "/email", "/employer"],
            absent: &["/password_hash", "/legacy_code"],
            shows_my_number: true,
            ..EXPECT
        },
        ..STEP
    },
    Step {
        story: "She does not see another's, nor learn whether there is one",
        token: Token::Of(&MEMBER),
        purpose: "principal-request.disclosure",
        target: "/members/m-0001",
        expect: Expect { status: 404, code: "not-available", ..EXPECT },
        ..STEP
    },
    Step {
        story: "A hospital pleads vital interest: this policy has no such basis",
        token: Token::Of(&HOSPITAL),
        purpose: "inquiry;basis=\"vital-interest\";reason=\"unconscious in our emergency room\"",
        target: "/members/m-0001",
        expect: Expect { status: 403, code: "basis-not-met", ..EXPECT },
        ..STEP
    },
    Step {
        story: "The police give a reference but no act",
        token: Token::Of(&POLICE),
        purpose: "exception;basis=\"law\";reference=\"inquiry 55\"",
        target: "/members/m-0001",
        is_sample: true,
        expect: Expect { status: 403, code: "reference-missing", ..EXPECT },
        ..STEP
    },
    Step {
        story: "With the act they are answered; the Individual Number stays",
        token: Token::Of(&POLICE),
        purpose: "exception;basis=\"law\";reference=\"inquiry 55\";act=\"Code of Criminal Procedure\"",
        target: "/members/m-0001",
        expect: Expect {
            clause: "6.3",
            present: &["/name/kanji", "/address/full"],
            absent: &["/my_number", "/password_hash"],
            ..EXPECT
        },
        ..STEP
    },
    Step {
        story: "A contractor asks on after its contract",
        token: Token::Of(&PRINTER),
        purpose: "services;basis=\"outsourcing\"",
        target: "/members/m-0001",
        expect: Expect { status: 403, code: "recipient-not-in-force", ..EXPECT },
        ..STEP
    },
    Step {
        story: "A contractor abroad, without a basis of article 28",
        token: Token::Of(&ABROAD),
        purpose: "services;basis=\"outsourcing\"",
        target: "/members/m-0001",
        expect: Expect { status: 403, code: "overseas-basis-missing", ..EXPECT },
        ..STEP
    },
];
