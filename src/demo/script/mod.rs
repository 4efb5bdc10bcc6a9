//! Who asks for what, and what does the policy say to it? Five organisations, their registers, and some seventy requests.
//!
//! A [`Step`] holds what its answer must be, by the published texts and not by what the gate does; the [`tour`](super::tour)
//! compares. What an organisation has on file stands in the TOML file of its name, as its registry would be seeded.

mod cellspect;
mod cemit;
mod jmdp;
mod jsco;
mod sakura;

use super::sample::Org;

/// Somebody who calls, as his token says it.
pub struct Who {
    /// The shell variable that holds his token.
    pub name: &'static str,
    /// Who he is, for a person.
    pub title: &'static str,
    /// His id at the issuer.
    pub sub: &'static str,
    /// His organisation's id in the register; `principal` for the person herself; none for own staff.
    pub organization: Option<&'static str>,
    /// His roles among the organisation's staff.
    pub roles: &'static [&'static str],
    /// Whether the issuer verified his identity.
    pub is_verified: bool,
}

impl Who {
    const fn staff(name: &'static str, title: &'static str, roles: &'static [&'static str]) -> Who {
        Who { name, title, sub: name, organization: None, roles, is_verified: false }
    }

    const fn of(name: &'static str, title: &'static str, organization: &'static str) -> Who {
        Who { name, title, sub: name, organization: Some(organization), roles: &[], is_verified: false }
    }

    const fn herself(name: &'static str, title: &'static str, sub: &'static str) -> Who {
        Who { name, title, sub, organization: Some("principal"), roles: &[], is_verified: true }
    }
}

/// With what a request comes for a token.
#[derive(Clone, Copy)]
pub enum Token {
    /// None.
    Missing,
    /// One that no issuer known here signed.
    Foreign,
    /// This caller's.
    Of(&'static Who),
}

/// One request, and what must come of it.
pub struct Step {
    /// What happens, in a line.
    pub story: &'static str,
    /// Who asks.
    pub token: Token,
    /// The `Purpose-Of-Use` field; none where empty.
    pub purpose: &'static str,
    /// The method.
    pub method: &'static str,
    /// Path and query. `{/items/0/id}` stands for that place of the previous answer.
    pub target: &'static str,
    /// Further fields.
    pub fields: &'static [(&'static str, &'static str)],
    /// A body, JSON.
    pub body: &'static str,
    /// Where the same record lies behind the gate, if `target` names it by a pseudonym: to tell what was cut.
    pub behind: &'static str,
    /// The clock of the tour is put to this moment before it.
    pub at: &'static str,
    /// Whether it stands among the lines to be pasted; the lines do not move the clock.
    pub is_sample: bool,
    /// What must come of it.
    pub expect: Expect,
}

/// What must come of a request.
pub struct Expect {
    /// The status.
    pub status: u16,
    /// The clause that a permit cites; any where empty.
    pub clause: &'static str,
    /// The reason or problem that a refusal names; any where empty.
    pub code: &'static str,
    /// JSON pointers at which something must stand.
    pub present: &'static [&'static str],
    /// JSON pointers at which nothing may stand.
    pub absent: &'static [&'static str],
    /// JSON pointers at which something else must stand than behind the gate.
    pub changed: &'static [&'static str],
    /// JSON pointers to arrays, with how many entries each must have.
    pub count: &'static [(&'static str, usize)],
    /// Whether the law demands the Individual Number here.
    pub shows_my_number: bool,
}

/// 200, and nothing else asked.
pub(super) const EXPECT: Expect = Expect {
    status: 200,
    clause: "",
    code: "",
    present: &[],
    absent: &[],
    changed: &[],
    count: &[],
    shows_my_number: false,
};

/// A GET of nobody.
pub(super) const STEP: Step = Step {
    story: "",
    token: Token::Missing,
    purpose: "",
    method: "GET",
    target: "/",
    fields: &[],
    body: "",
    behind: "",
    at: "",
    is_sample: false,
    expect: EXPECT,
};

/// The requests of an organisation, in order.
pub const fn steps(org: Org) -> &'static [Step] {
    match org {
        Org::Jsco => jsco::STEPS,
        Org::Jmdp => jmdp::STEPS,
        Org::Cemit => cemit::STEPS,
        Org::Cellspect => cellspect::STEPS,
        Org::Sakura => sakura::STEPS,
    }
}

/// What an organisation has on file, as a document.
pub const fn seed(org: Org) -> &'static str {
    match org {
        Org::Jsco => include_str!("jsco.toml"),
        Org::Jmdp => include_str!("jmdp.toml"),
        Org::Cemit => include_str!("22cemit.toml"),
        Org::Cellspect => include_str!("cellspect.toml"),
        Org::Sakura => include_str!("sakura.toml"),
    }
}
