//! SAKURA International Clinic Tokyo: the chart for care, a part of it for each of the others.

use super::{EXPECT, Expect, STEP, Step, Token, Who};

const PHYSICIAN: Who = Who::staff("physician", "a physician", &["physician"]);
const STUDENT: Who = Who::staff("student", "a student", &["student"]);
const CLERK: Who = Who::staff("clerk", "a health-check clerk", &["health-check-clerk"]);
const OFFICER: Who = Who::staff("officer", "the privacy officer", &["privacy-officer"]);
const INSURER: Who = Who::of("insurer", "a private insurer with a signed form", "life-a");
const COLLECTOR: Who = Who::of("collector", "a collector without a contract", "collector-a");
const ACCOUNTANT: Who = Who::staff("accountant", "an accountant", &["accountant"]);
const CONFIDANT: Who = Who::of("confidant", "an adviser bound to secrecy", "adviser-a");

const ABROAD: &str = "care.coordination;basis=\"consent\";recipient=\"hospital\";organization=\"hospital-us\"";

pub(super) const STEPS: &[Step] = &[
    Step {
        story: "A physician sees the chart, not the Individual Number nor what care never needs",
        token: Token::Of(&PHYSICIAN),
        purpose: "care",
        target: "/patients/p-0001",
        is_sample: true,
        expect: Expect {
            present: &["/name/kanji", "/phone", "/history/0", "/coverage/insurer"],
            absent: &["/my_number", "/password_hash", "/employer", "/notes", "/legacy_code", "/crime_damage"],
            ..EXPECT
        },
        ..STEP
    },
    Step {
        story: "Asked beforehand, the gate says what it would release, and asks no backend",
        token: Token::Of(&PHYSICIAN),
        purpose: "care",
        target: "/patients/p-0001",
        fields: &[("purpose-of-use-dry-run", "?1")],
        expect: Expect { present: &["/release/identity.name", "/clauses/0"], absent: &["/name", "/phone"], ..EXPECT },
        ..STEP
    },
    Step {
        story: "A student learns from conditions, without name or contact",
        token: Token::Of(&STUDENT),
        purpose: "operations.student-training",
        target: "/patients?size=3",
        is_sample: true,
        expect: Expect {
            clause: "3.B.1",
            present: &["/items/0/gender", "/items/0/history/0"],
            absent: &["/items/0/name", "/items/0/phone", "/items/0/email", "/items/0/address", "/items/0/my_number"],
            changed: &["/items/0/id", "/items/0/born"],
            count: &[("/items", 3)],
            ..EXPECT
        },
        ..STEP
    },
    Step {
        story: "A referral to a hospital abroad, without the patient's consent to it",
        token: Token::Of(&PHYSICIAN),
        purpose: ABROAD,
        target: "/patients/p-0001",
        expect: Expect { status: 403, code: "overseas-basis-missing", ..EXPECT },
        ..STEP
    },
    Step {
        story: "A referral that the patient consented to, naming that hospital",
        token: Token::Of(&PHYSICIAN),
        purpose: ABROAD,
        target: "/patients/p-0002",
        expect: Expect {
            clause: "3.A.2a",
            present: &["/name/kanji", "/history/0"],
            absent: &["/my_number", "/employer"],
            ..EXPECT
        },
        ..STEP
    },
    Step {
        story: "'Do not tell my family': the explanation to the family is refused",
        token: Token::Of(&PHYSICIAN),
        purpose: "care.family-explanation;recipient=\"family\"",
        target: "/patients/p-0003/visits",
        is_sample: true,
        expect: Expect { status: 403, code: "restricted", ..EXPECT },
        ..STEP
    },
    Step {
        story: "Another patient's family is told about the visit",
        token: Token::Of(&PHYSICIAN),
        purpose: "care.family-explanation;recipient=\"family\"",
        target: "/patients/p-0004/visits",
        expect: Expect {
            clause: "3.A.2a",
            present: &["/items/0/diagnosis"],
            absent: &["/items/0/room_code", "/items/0/notes", "/total"],
            ..EXPECT
        },
        ..STEP
    },
    Step {
        story: "The first patient's referral to a hospital goes on",
        token: Token::Of(&PHYSICIAN),
        purpose: "care.coordination;recipient=\"hospital\";organization=\"hospital-a\"",
        target: "/patients/p-0003",
        expect: Expect { clause: "3.A.2a", present: &["/name/kanji"], absent: &["/my_number"], ..EXPECT },
        ..STEP
    },
    Step {
        story: "The employer's own examination goes to it, without the history",
        token: Token::Of(&CLERK),
        purpose: "employer-notification;recipient=\"employer\";organization=\"acme\"",
        target: "/patients/p-0005/commissioned-exams/ce-0005-1",
        is_sample: true,
        expect: Expect {
            clause: "3.A.2c",
            present: &["/name", "/result", "/date"],
            absent: &["/history", "/notes"],
            ..EXPECT
        },
        ..STEP
    },
    Step {
        story: "Another employer commissioned nothing",
        token: Token::Of(&CLERK),
        purpose: "employer-notification;recipient=\"employer\";organization=\"globex\"",
        target: "/patients/p-0005/commissioned-exams/ce-0005-1",
        expect: Expect { status: 403, code: "relation-missing", ..EXPECT },
        ..STEP
    },
    Step {
        story: "An insurer says that the patient signed; no consent is on file",
        token: Token::Of(&INSURER),
        purpose: "insurance-administration.inquiry-response;basis=\"consent\"",
        target: "/patients/p-0001/claims",
        is_sample: true,
        expect: Expect { status: 404, code: "not-available", ..EXPECT },
        ..STEP
    },
    Step {
        story: "A collector without contract or consent",
        token: Token::Of(&COLLECTOR),
        purpose: "settlement",
        target: "/patients/p-0006/bills",
        expect: Expect { status: 403, code: "basis-missing", ..EXPECT },
        ..STEP
    },
    Step {
        story: "For a collector under contract: name and amount, and no chart number",
        token: Token::Of(&ACCOUNTANT),
        purpose: "settlement;basis=\"outsourcing\";recipient=\"collector\";organization=\"collector-b\"",
        target: "/patients/p-0006/bills",
        expect: Expect {
            clause: "4.2",
            present: &["/items/0/name", "/items/0/amount_yen"],
            absent: &["/items/0/id", "/items/0/patient_id", "/items/0/ledger_code", "/total"],
            ..EXPECT
        },
        ..STEP
    },
    Step {
        story: "The police telephone",
        token: Token::Of(&OFFICER),
        purpose: "exception;basis=\"law\";recipient=\"police\"",
        target: "/patients/p-0007",
        is_sample: true,
        expect: Expect { status: 403, code: "reference-missing", ..EXPECT },
        ..STEP
    },
    Step {
        story: "The police write, citing the act; the patient's stop is no bar to that",
        token: Token::Of(&OFFICER),
        purpose: "exception;basis=\"law\";recipient=\"police\";reference=\"request 8812\";act=\"Code of Criminal Procedure\"",
        target: "/patients/p-0007",
        expect: Expect {
            clause: "4.1",
            present: &["/name/kanji", "/address/full"],
            absent: &["/my_number", "/password_hash", "/legacy_code"],
            ..EXPECT
        },
        ..STEP
    },
    Step {
        story: "A child-abuse report to the municipality",
        token: Token::Of(&OFFICER),
        purpose: "exception;basis=\"law\";recipient=\"authority\";reference=\"report 3\";act=\"Child Abuse Prevention Act\"",
        target: "/patients/p-0003",
        expect: Expect {
            clause: "4.1",
            present: &["/name/kanji", "/family/0/name"],
            absent: &["/my_number"],
            ..EXPECT
        },
        ..STEP
    },
    Step {
        story: "An adviser with a duty of secrecy and nothing else",
        token: Token::Of(&CONFIDANT),
        purpose: "rights-exercise",
        target: "/patients/p-0001",
        expect: Expect { status: 403, code: "basis-missing", ..EXPECT },
        ..STEP
    },
    Step {
        story: "A physician writes a field that the catalogue does not name",
        token: Token::Of(&PHYSICIAN),
        purpose: "care",
        method: "PATCH",
        target: "/patients/p-0001",
        body: "{\"id\":\"p-0001\",\"legacy_code\":\"x\"}",
        expect: Expect { status: 403, code: "unclassified-fields", present: &["/fields/0"], ..EXPECT },
        ..STEP
    },
    Step {
        story: "A physician puts back a chart of which he saw only part",
        token: Token::Of(&PHYSICIAN),
        purpose: "care",
        method: "PUT",
        target: "/patients/p-0001",
        body: "{\"id\":\"p-0001\",\"phone\":\"090-0000-0000\"}",
        expect: Expect { status: 403, code: "write-from-redacted-view", ..EXPECT },
        ..STEP
    },
    Step {
        story: "A physician corrects the telephone number alone",
        token: Token::Of(&PHYSICIAN),
        purpose: "care",
        method: "PATCH",
        target: "/patients/p-0001",
        body: "{\"id\":\"p-0001\",\"phone\":\"090-0000-0000\"}",
        expect: Expect { absent: &["/my_number", "/password_hash"], ..EXPECT },
        ..STEP
    },
];
