//! Which rules were considered, and what did each do to each category?

use std::collections::BTreeMap;

use super::{Case, Categories, For, Form, Grant, PRINCIPAL, Permit, Refusal, Release, Rule};
use crate::decision::{Named, Reason};
use crate::policy::{Action, RuleId};

/// A rule that names the purpose, the recipient or the data.
pub struct Considered {
    /// Its name.
    pub name: String,
    /// `permit`, `forbid` or `apart`.
    pub effect: &'static str,
    /// Whether it applied.
    pub applies: bool,
    /// Why, or why not.
    pub why: String,
    /// The clauses it cites.
    pub clauses: Vec<String>,
}

/// What became of a category.
pub struct Category {
    /// As it was asked for.
    pub name: String,
    /// What is released of it.
    pub form: Form,
    /// What gave it or cut it, in words.
    pub why: Vec<String>,
}

/// The permits for this purpose, then forbids and aparts.
pub(super) fn considered(case: &Case<'_>) -> Vec<Considered> {
    let policy = case.judge.policy;
    let mut list = Vec::new();
    let own = case.recipient.map_or(&[][..], |(id, _)| policy.grants(case.judge.id, id));
    for grant in own {
        if let Some(rule) = policy.rule(grant.rule) {
            let why = refused_by(case, grant);
            let applies = why.is_none();
            let why =
                why.unwrap_or_else(|| "names this purpose, recipient and basis; what it asks for is there".into());
            list.push(told(case, rule, "permit", applies, why));
        }
    }
    for (rule, recipients) in elsewhere(case) {
        let Some(rule) = policy.rule(rule) else { continue };
        let shown: Vec<String> = recipients.iter().take(4).map(|name| format!("`{name}`")).collect();
        let more = recipients.len().saturating_sub(shown.len());
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        list.push(told(case, rule, "permit", false, format!("recipient: it is for {}{more}", shown.join(", "))));
    }
    let Some((id, _)) = case.recipient else { return list };
    for cap in policy.caps(case.judge.id, id) {
        let Some(rule) = policy.rule(cap.rule) else { continue };
        let lifted = lifted(case, cap.unless_bases, cap.unless_act);
        let meets = cap.categories.meets(case.judge.request.asked);
        let why = match (lifted, meets) {
            (true, _) => "lifted by the basis and act of this request".to_owned(),
            (false, true) if cap.form == Form::Withheld => "withholds what it names".to_owned(),
            (false, true) => format!("leaves what it names at most {}", cap.form.name()),
            (false, false) => "names nothing that is asked for".to_owned(),
        };
        list.push(told(case, rule, "forbid", !lifted && meets, why));
    }
    for apart in policy.aparts().iter().filter(|apart| apart.withhold.meets(case.judge.request.asked)) {
        let Some(rule) = policy.rule(apart.rule) else { continue };
        let (bites, why) = match apart.beside.meets(case.judge.request.asked) {
            true => (true, "withholds what may not leave beside other data that is asked for"),
            false => (false, "nothing is asked for that it may not stand beside"),
        };
        list.push(told(case, rule, "apart", bites, why.to_owned()));
    }
    list
}

fn told(case: &Case<'_>, rule: &Rule, effect: &'static str, applies: bool, why: String) -> Considered {
    let clauses = rule.clauses.iter().map(|id| case.judge.policy.clause(*id).to_owned()).collect();
    Considered { name: rule.name.clone(), effect, applies, why, clauses }
}

/// The permits that name the purpose, but only for others.
fn elsewhere(case: &Case<'_>) -> BTreeMap<RuleId, Vec<String>> {
    let policy = case.judge.policy;
    let own = case.recipient.map_or(&[][..], |(id, _)| policy.grants(case.judge.id, id));
    let mut rules: BTreeMap<RuleId, Vec<String>> = BTreeMap::new();
    for (id, recipient) in policy.recipients() {
        for grant in policy.grants(case.judge.id, id) {
            if own.iter().any(|mine| mine.rule == grant.rule) {
                continue;
            }
            let names = rules.entry(grant.rule).or_default();
            if !names.contains(&recipient.name) {
                names.push(recipient.name.clone());
            }
        }
    }
    rules
}

/// Why a permit of this cell does not apply.
fn refused_by(case: &Case<'_>, grant: &Grant) -> Option<String> {
    let request = case.judge.request;
    let policy = case.judge.policy;
    match (grant.open_to, case.judge.is_staff()) {
        (For::Staff, false) => return Some("recipient: only staff may fetch it for this recipient".into()),
        (For::Itself, true) => return Some("recipient: only the recipient may fetch it, for itself".into()),
        _ => {}
    }
    if let Some(certified) = grant.dataset.filter(|certified| request.dataset != Some(*certified)) {
        return Some(format!("dataset: only on a route certified as {}", certified.name()));
    }
    let named: Vec<String> = policy
        .vocabulary
        .bases()
        .filter(|(id, _)| grant.bases & id.bit() != 0)
        .map(|(_, basis)| format!("`{}`", basis.name))
        .collect();
    let opens = case.basis.is_some_and(|(id, _)| grant.bases & id.bit() != 0);
    if !opens {
        return Some(format!("basis: it asks for {}", named.join(" or ")));
    }
    let unmet = case.unmet(grant);
    let lacks = |reason: Reason, word: &'static str| unmet.has(reason).then_some(word);
    let lacking: Vec<&str> = [
        lacks(Reason::ReasonMissing, "a written reason"),
        lacks(Reason::ApprovalMissing, "an approval of the organisation for this purpose"),
        lacks(Reason::RelationMissing, "a relation on file"),
        lacks(Reason::NotInformed, "that the person was informed"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if lacking.is_empty() { None } else { Some(format!("need: it asks for {}", lacking.join(" and "))) }
}

fn lifted(case: &Case<'_>, unless_bases: u32, unless_act: Option<crate::policy::ActId>) -> bool {
    let basis = case.basis.is_some_and(|(id, _)| unless_bases & id.bit() != 0);
    basis && unless_act.is_none_or(|act| case.judge.request.act == Named::Known(act))
}

/// What became of each category asked for.
pub(super) fn categories(case: &Case<'_>, answer: &Result<Permit, Refusal>, asked: &[String]) -> Vec<Category> {
    let policy = case.judge.policy;
    let nothing = Release::NOTHING;
    let release = answer.as_ref().map_or(&nothing, Permit::release);
    let mut told = Vec::new();
    for name in asked.iter().filter(|_| case.judge.request.action != Action::Delete) {
        let Some(category) = policy.vocabulary.category(name) else {
            let why = vec!["the vocabulary has no such category, or it groups others".to_owned()];
            told.push(Category { name: name.clone(), form: Form::Withheld, why });
            continue;
        };
        let form = release.form(category);
        told.push(Category { name: name.clone(), form, why: whys(case, category.only(), form) });
    }
    told
}

/// What gave a category, and what cut it: the steps of the release, in order.
fn whys(case: &Case<'_>, one: Categories, form: Form) -> Vec<String> {
    let (policy, request) = (case.judge.policy, case.judge.request);
    let (Some((id, recipient)), Some((basis_id, basis))) = (case.recipient, case.basis) else { return Vec::new() };
    let of = |release: &Release| one.iter().next().map_or(Form::Withheld, |category| release.form(category));
    let rule = |id: RuleId| policy.rule(id).map_or("", |rule| rule.name.as_str());
    let mut whys = Vec::new();
    let mut granted = Form::Withheld;
    for grant in case.applying() {
        let given = of(&grant.release);
        if given != Form::Withheld {
            whys.push(match given == form {
                true => format!("by permit `{}`", rule(grant.rule)),
                false => format!("{} by permit `{}`", given.name(), rule(grant.rule)),
            });
            granted = granted.max(given);
        }
    }
    if granted == Form::Withheld {
        whys.push(format!("no permit that applies releases it for `{}`", case.judge.purpose.name));
    } else {
        let (withheld, _) = case.restrictions(recipient);
        if withheld.meets(one) {
            whys.push("withheld by the person's objection".into());
        }
        if !case.consented((basis_id, basis)).meets(one) {
            whys.push("no consent covers it".into());
        } else if basis.needs_consent && request.dataset.is_none() {
            whys.push("a consent covers it".into());
        }
        if !case.consented_overseas().meets(one) {
            whys.push("no consent that names the recipient abroad covers it".into());
        }
        if let Some(dataset) = request.dataset.filter(|dataset| of(policy.items(*dataset)) < granted) {
            whys.push(format!("not among the published items of the {} dataset", dataset.name()));
        }
        for cap in policy.caps(case.judge.id, id).iter().filter(|cap| cap.categories.meets(one)) {
            if lifted(case, cap.unless_bases, cap.unless_act) {
                whys.push(format!("forbid `{}` is lifted by basis and act", rule(cap.rule)));
            } else if cap.form < granted {
                whys.push(format!("cut to {} by forbid `{}`", cap.form.name(), rule(cap.rule)));
            }
        }
        for apart in policy.aparts().iter().filter(|apart| apart.withhold.meets(one) && form == Form::Withheld) {
            whys.push(format!("kept apart by `{}`", rule(apart.rule)));
        }
    }
    if policy.vocabulary.never().meets(one) {
        whys.push("never released to anybody".into());
    } else if request.caller.organization == Some(PRINCIPAL)
        && request.subject != Some(request.caller.id)
        && policy.specific().meets(one)
    {
        whys.push("goes to the person only, not to an agent".into());
    }
    whys
}
