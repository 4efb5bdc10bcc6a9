//! How is the value of a member made, as it would be or as a canary?

use std::collections::BTreeMap;

use serde_json::Value;

use super::Field;
use super::person::{Numbers, Person};

/// How a value is made.
#[derive(Clone, Copy)]
pub enum Make {
    /// The record's own id.
    Id,
    /// The id of the record it lies beneath.
    Parent,
    /// Kanji.
    Name,
    /// Katakana.
    Kana,
    /// FHIR's words.
    Gender,
    /// A day.
    Born,
    /// Of the person.
    Prefecture,
    /// With the prefecture at its head.
    Address,
    /// Seven digits with a hyphen.
    Postal,
    /// Of the numbers that nobody has.
    Phone,
    /// At a domain reserved for examples.
    Email,
    /// Twelve digits that fail their check digit.
    MyNumber,
    /// Hexadecimal.
    Hash,
    /// A note that names the person, as notes do.
    Notes,
    /// A code of some old system.
    Token,
    /// A day in 2023 to 2026.
    Date,
    /// A moment in 2026, UTC.
    Time,
    /// Of the addresses reserved for documentation (RFC 5737).
    Ip,
    /// Two HLA alleles.
    Hla,
    /// A whole number, from and to.
    Int(i64, i64),
    /// A number with one decimal, from and to in tenths.
    Tenths(i64, i64),
    /// One of these.
    Pick(&'static [&'static str]),
}

/// Makes values, and remembers canaries.
pub(super) struct Maker {
    seed: u64,
    /// `Some` when making canaries: value → label.
    values: Option<BTreeMap<String, &'static str>>,
    made: u32,
}

impl Maker {
    pub(super) fn plain(seed: u64) -> Maker {
        Maker { seed, values: None, made: 0 }
    }

    pub(super) fn canaries(seed: u64) -> Maker {
        Maker { seed, values: Some(BTreeMap::new()), made: 0 }
    }

    pub(super) fn into_values(self) -> BTreeMap<String, &'static str> {
        self.values.unwrap_or_default()
    }

    pub(super) fn person(&self, home: &str, number: usize) -> Person {
        Person::new(self.seed, home, number)
    }

    pub(super) fn value(&mut self, field: &Field, id: &str, parent: &str, person: &Person) -> Value {
        self.made = self.made.wrapping_add(1);
        let mut numbers = Numbers::new(self.seed, &[id, field.path], usize::try_from(self.made).unwrap_or(0));
        let number = u64::from(self.made);
        let Some(values) = &mut self.values else { return plain(field.make, id, parent, person, &mut numbers) };
        let value = canary(field.make, id, parent, person, self.seed, number);
        values.insert(value.as_str().map_or_else(|| value.to_string(), str::to_owned), field.label);
        value
    }
}

fn plain(make: Make, id: &str, parent: &str, person: &Person, numbers: &mut Numbers) -> Value {
    let (city_prefecture, city, postal) = person.city;
    let mut stable = person.numbers.clone();
    let house = stable.below(30) + 1;
    let text = match make {
        Make::Id => id.to_owned(),
        Make::Parent => parent.to_owned(),
        Make::Name => format!("{} {}", person.surname.0, person.given.0),
        Make::Kana => format!("{} {}", person.surname.1, person.given.1),
        Make::Gender => if person.female { "female" } else { "male" }.to_owned(),
        Make::Born => person.born.clone(),
        Make::Prefecture => city_prefecture.to_owned(),
        Make::Address => format!("{city_prefecture}{city}{}-{house}-{}", stable.below(9) + 1, stable.below(20) + 1),
        Make::Postal => format!("{postal}-{:04}", stable.below(10_000)),
        Make::Phone => format!("090-0000-{:04}", stable.below(10_000)),
        Make::Email => format!("{}.{}.{id}@example.jp", person.given.2, person.surname.2),
        Make::MyNumber => my_number(numbers),
        Make::Hash => format!("{:016x}{:016x}", numbers.next(), numbers.next()),
        Make::Notes => format!("{}さんより電話。{}在住、経過を確認した。", person.surname.0, city),
        Make::Token => format!("LC{:08}", numbers.below(100_000_000)),
        Make::Date => format!("{}-{:02}-{:02}", 2023 + numbers.below(4), 1 + numbers.below(12), 1 + numbers.below(28)),
        Make::Time => {
            let (month, day) = (1 + numbers.below(12), 1 + numbers.below(28));
            format!("2026-{month:02}-{day:02}T{:02}:{:02}:00Z", numbers.below(24), numbers.below(60))
        }
        Make::Ip => format!("203.0.113.{}", numbers.below(256)),
        Make::Hla => {
            format!("{:02}:{:02}/{:02}:{:02}", numbers.below(80), numbers.below(9), numbers.below(80), numbers.below(9))
        }
        Make::Int(from, to) => return between(numbers, from, to).into(),
        Make::Tenths(from, to) => return tenths(between(numbers, from, to)),
        Make::Pick(words) => (*numbers.pick(words).unwrap_or(&"")).to_owned(),
    };
    Value::String(text)
}

/// A value of the same type that occurs nowhere else, made from its number.
fn canary(make: Make, id: &str, parent: &str, person: &Person, seed: u64, number: u64) -> Value {
    // As long as any other: what is cut off within one is none.
    let token = format!("canary-{:04x}-{number:06}", seed & 0xffff);
    let (year, month, day) = (1001 + number / 336, 1 + number / 28 % 12, 1 + number % 28);
    let text = match make {
        Make::Id => id.to_owned(),
        Make::Parent => parent.to_owned(),
        Make::Born | Make::Date => format!("{year:04}-{month:02}-{day:02}"),
        Make::Time => format!("{year:04}-{month:02}-{day:02}T00:00:00Z"),
        Make::Address => format!("{}{token}", person.city.0),
        Make::Postal => format!("{:03}-{:04}", 100 + number / 10_000, number % 10_000),
        Make::Email => format!("{token}@example.jp"),
        Make::MyNumber => format!("0000{number:08}"),
        Make::Int(..) => return (700_000_000 + number).into(),
        Make::Tenths(..) => return tenths(i64::try_from(9_000_000_000 + number * 10 + 5).unwrap_or(5)),
        Make::Name
        | Make::Kana
        | Make::Gender
        | Make::Prefecture
        | Make::Phone
        | Make::Hash
        | Make::Notes
        | Make::Token
        | Make::Ip
        | Make::Hla
        | Make::Pick(_) => token,
    };
    Value::String(text)
}

fn between(numbers: &mut Numbers, from: i64, to: i64) -> i64 {
    let span = u64::try_from(to.saturating_sub(from)).unwrap_or(0).saturating_add(1);
    from.saturating_add(i64::try_from(numbers.below(span)).unwrap_or(0))
}

fn tenths(tenths: i64) -> Value {
    let text = format!("{}.{}", tenths / 10, (tenths % 10).abs());
    text.parse::<f64>().ok().and_then(serde_json::Number::from_f64).map_or(Value::Null, Value::Number)
}

/// `0000`, seven digits and a check digit that is one off (the rule: Ordinance of the Ministry of Internal Affairs and
/// Communications 85/2014, article 5).
fn my_number(numbers: &mut Numbers) -> String {
    let head = format!("0000{:07}", numbers.below(10_000_000));
    let weighted = head.bytes().rev().zip((2..=7).chain(2..=6)).map(|(digit, weight)| u32::from(digit - b'0') * weight);
    let rest = weighted.sum::<u32>() % 11;
    let check = if rest <= 1 { 0 } else { 11 - rest };
    format!("{head}{}", (check + 1) % 10)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::*;

    #[test]
    fn an_individual_number_of_the_sample_can_be_nobodys() {
        let mut numbers = Numbers::new(1, &["x"], 1);
        for _ in 0..1000 {
            let number = my_number(&mut numbers);
            let digits: Vec<u32> = number.chars().map(|c| c.to_digit(10).unwrap()).collect();
            let (check, body) = digits.split_last().unwrap();
            let sum: u32 = body.iter().rev().zip([2, 3, 4, 5, 6, 7, 2, 3, 4, 5, 6]).map(|(d, w)| d * w).sum();
            let right = if sum % 11 <= 1 { 0 } else { 11 - sum % 11 };
            assert!(number.len() == 12 && number.starts_with("0000") && *check != right, "{number}");
        }
    }
}
