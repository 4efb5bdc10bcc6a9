//! What do the five organisations' APIs answer, when nobody real is behind them?
//!
//! [`Sample`] generates a few hundred synthetic people from a seed, with no randomness of its own, and
//! [`Sample::respond`] answers requests as a careless backend would: everything it has, to whoever asks. It knows no
//! HTTP; writes change its memory. Every organisation is a table of [`Kind`]s; the same table makes the data, the
//! answers, and with [`Sample::canaries`] data in which each value is a token that occurs nowhere else, so that a test can
//! see which category leaked. Some fields are named in no catalogue (`unnamed`): they show that the gate is an allow-list.
//!
//! Promises: nobody here is real. Names and addresses are put together by number from common ones; mail domains and network
//! addresses are those reserved for examples; telephone numbers begin with `090-0000`; the Individual Numbers begin with
//! `0000` and fail their check digit.

mod cellspect;
mod cemit;
mod jmdp;
mod jsco;
mod make;
mod person;
mod respond;
mod sakura;
mod words;

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::{Map, Value};

pub use make::Make;
use make::Maker;
pub(in crate::demo) use person::Numbers;
use person::Person;
pub use respond::Answer;

/// An organisation whose API is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Org {
    /// Japan Society of Clinical Oncology.
    Jsco,
    /// Japan Marrow Donor Program.
    Jmdp,
    /// 22nd Century Advanced Medical Information Organisation.
    Cemit,
    /// Cellspect.
    Cellspect,
    /// SAKURA International Clinic Tokyo.
    Sakura,
}

impl Org {
    /// Every organisation.
    pub const ALL: [Org; 5] = [Org::Jsco, Org::Jmdp, Org::Cemit, Org::Cellspect, Org::Sakura];

    /// Its folder under `policy/`.
    pub const fn id(self) -> &'static str {
        match self {
            Org::Jsco => "jsco",
            Org::Jmdp => "jmdp",
            Org::Cemit => "22cemit",
            Org::Cellspect => "cellspect",
            Org::Sakura => "sakura",
        }
    }

    /// The organisation of that folder.
    pub fn from_id(id: &str) -> Option<Org> {
        Org::ALL.into_iter().find(|org| org.id() == id)
    }

    /// The catalogue that describes its API.
    pub const fn catalogue(self) -> &'static str {
        match self {
            Org::Jsco => include_str!("../../../policy/jsco/catalogue.toml"),
            Org::Jmdp => include_str!("../../../policy/jmdp/catalogue.toml"),
            Org::Cemit => include_str!("../../../policy/22cemit/catalogue.toml"),
            Org::Cellspect => include_str!("../../../policy/cellspect/catalogue.toml"),
            Org::Sakura => include_str!("../../../policy/sakura/catalogue.toml"),
        }
    }

    /// Its policy.
    pub const fn policy(self) -> &'static str {
        match self {
            Org::Jsco => include_str!("../../../policy/jsco/policy.toml"),
            Org::Jmdp => include_str!("../../../policy/jmdp/policy.toml"),
            Org::Cemit => include_str!("../../../policy/22cemit/policy.toml"),
            Org::Cellspect => include_str!("../../../policy/cellspect/policy.toml"),
            Org::Sakura => include_str!("../../../policy/sakura/policy.toml"),
        }
    }

    /// What its API holds.
    pub const fn kinds(self) -> &'static [Kind] {
        match self {
            Org::Jsco => jsco::KINDS,
            Org::Jmdp => jmdp::KINDS,
            Org::Cemit => cemit::KINDS,
            Org::Cellspect => cellspect::KINDS,
            Org::Sakura => sakura::KINDS,
        }
    }

    /// The statistics that its API publishes.
    pub const fn statistics(self) -> &'static [Statistic] {
        match self {
            Org::Jsco | Org::Cellspect => &[],
            Org::Jmdp => jmdp::STATISTICS,
            Org::Cemit => cemit::STATISTICS,
            Org::Sakura => sakura::STATISTICS,
        }
    }
}

/// One kind of record.
pub struct Kind {
    /// Its collection, the first segment of the path, or the third of a sub-collection.
    pub collection: &'static str,
    /// How its ids begin.
    pub prefix: &'static str,
    /// The collection that it lies beneath, with the member that names the record there.
    pub parent: Option<(&'static str, &'static str)>,
    /// How many: in all, or per record of the parent.
    pub count: usize,
    /// Query parameters that filter, with the dotted member they compare with.
    pub filters: &'static [(&'static str, &'static str)],
    /// The methods beside GET.
    pub writes: &'static [&'static str],
    /// Whether `/export/<collection>` answers it line by line.
    pub export: bool,
    /// Where the whole collection is answered as a dataset, instead of its own routes.
    pub dataset: Option<&'static str>,
    /// Its members.
    pub fields: &'static [Field],
}

/// One member of a record.
pub struct Field {
    /// Dotted; `name[]` is an array of two.
    pub path: &'static str,
    /// Its category, or `open`, `never`, `free-text`, `unnamed` (named in no catalogue).
    pub label: &'static str,
    /// How its value is made.
    pub make: Make,
}

/// How many records of a collection have each value of a member.
pub struct Statistic {
    /// `/statistics/<name>`.
    pub name: &'static str,
    /// The collection that is counted.
    pub collection: &'static str,
    /// The dotted member that it is counted by.
    pub by: &'static str,
}

const fn field(path: &'static str, label: &'static str, make: Make) -> Field {
    Field { path, label, make }
}

/// The records of one organisation: collection → records in order of their ids.
type Records = BTreeMap<&'static str, Vec<Value>>;

/// One organisation's API over generated data. No `Debug`: it stands for people's data.
pub struct Sample {
    org: Org,
    /// Guards the records, which writes change.
    records: Mutex<Records>,
}

/// Data in which every value is a token of its own; see [`Sample::canaries`].
pub struct Canaries {
    /// The API over that data.
    pub sample: Sample,
    /// Value → its label (see [`Field::label`]). Numbers stand as their digits. Ids and references
    /// to them are there too, as `identity.number`.
    pub values: BTreeMap<String, &'static str>,
}

impl Sample {
    /// The organisation's API over the data of this seed; the same seed gives the same bytes.
    pub fn new(org: Org, seed: u64) -> Sample {
        Sample { org, records: Mutex::new(generate(org, &mut Maker::plain(seed))) }
    }

    /// The same shapes, each value a token that occurs once. Dates and postal codes are valid as such and an address begins
    /// with its prefecture, so that they can be made coarser: then it is the year, the three digits and the prefecture that
    /// recur. Ids recur where they refer.
    pub fn canaries(org: Org, seed: u64) -> Canaries {
        let mut maker = Maker::canaries(seed);
        let records = Mutex::new(generate(org, &mut maker));
        Canaries { sample: Sample { org, records }, values: maker.into_values() }
    }

    /// Whose API it is.
    pub fn org(&self) -> Org {
        self.org
    }

    /// Every text that stands at a member with one of these labels, made by a rule that repeats in no other member:
    /// numbers of the Individual Number system, hashes and codes. For telling whether one of them left.
    pub fn secrets(&self, labels: &[&str]) -> Vec<String> {
        let records = self.records.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut found = Vec::new();
        for kind in self.org.kinds() {
            let unique = |field: &&Field| matches!(field.make, Make::MyNumber | Make::Hash | Make::Token);
            let fields = kind.fields.iter().filter(unique).filter(|field| labels.contains(&field.label));
            let pointers: Vec<String> = fields.map(|field| format!("/{}", field.path.replace('.', "/"))).collect();
            for record in records.get(kind.collection).into_iter().flatten() {
                let texts = pointers.iter().filter_map(|pointer| record.pointer(pointer)?.as_str());
                found.extend(texts.map(str::to_owned));
            }
        }
        found
    }

    /// The ids of a collection, in order.
    pub fn ids(&self, collection: &str) -> Vec<String> {
        let records = self.records.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let ids = records.get(collection).into_iter().flatten();
        ids.filter_map(|record| record.get("id")?.as_str().map(str::to_owned)).collect()
    }
}

fn generate(org: Org, maker: &mut Maker) -> Records {
    let mut records = Records::new();
    for kind in org.kinds() {
        let parents: Vec<String> = match kind.parent {
            Some((parent, _)) => records.get(parent).into_iter().flatten().filter_map(id_of).collect(),
            None => vec![String::new()],
        };
        let mut made = Vec::new();
        for (number, parent) in parents.iter().enumerate() {
            for child in 1..=kind.count {
                let (id, whose) = match kind.parent {
                    Some(_) => (format!("{}-{:04}-{child}", kind.prefix, number + 1), number + 1),
                    None => (format!("{}-{child:04}", kind.prefix), child),
                };
                let home = kind.parent.map_or(kind.prefix, |_| "");
                made.push(record(kind, &id, parent, maker.person(home, whose), maker));
            }
        }
        records.insert(kind.collection, made);
    }
    records
}

fn id_of(record: &Value) -> Option<String> {
    record.get("id")?.as_str().map(str::to_owned)
}

fn record(kind: &Kind, id: &str, parent: &str, person: Person, maker: &mut Maker) -> Value {
    let mut record = Value::Object(Map::new());
    for field in kind.fields {
        let steps: Vec<&str> = field.path.split('.').collect();
        place(&mut record, &steps, &mut || maker.value(field, id, parent, &person));
    }
    record
}

/// Puts values at a dotted place; `name[]` makes an array of two there.
fn place(at: &mut Value, steps: &[&str], make: &mut dyn FnMut() -> Value) {
    let Some((step, rest)) = steps.split_first() else {
        *at = make();
        return;
    };
    if !at.is_object() {
        *at = Value::Object(Map::new());
    }
    let Value::Object(members) = at else { return };
    let Some(name) = step.strip_suffix("[]") else {
        return place(members.entry(*step).or_insert(Value::Null), rest, make);
    };
    let array = members.entry(name).or_insert_with(|| Value::Array(vec![Value::Null, Value::Null]));
    for item in array.as_array_mut().into_iter().flatten() {
        place(item, rest, make);
    }
}
