//! Which kinds of entry are there, and which words does each take? One table, read by the parser, the seeds and the journal.

/// A kind of entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A registered organisation.
    Organization,
    /// The organisation's own approval of another, for a purpose.
    Approval,
    /// A person's consent.
    Consent,
    /// The end of a person's consents to a purpose. It is never ended itself: a new consent is entered instead.
    Withdrawal,
    /// A person's objection.
    Objection,
    /// What a person had stopped (arts. 34, 35), by name; it holds until it is ended.
    Restriction,
    /// How somebody stands to the person.
    Relation,
    /// That the person was told of a purpose.
    Informed,
    /// What the person opted out of.
    OptOut,
    /// A person on the block list.
    Block,
    /// A caller on the block list.
    BlockCaller,
}

impl Kind {
    /// Every kind, in the order in which seeds are read: consents come before what withdraws them.
    pub const ALL: [Kind; 11] = [
        Kind::Organization,
        Kind::Approval,
        Kind::Consent,
        Kind::Withdrawal,
        Kind::Objection,
        Kind::Restriction,
        Kind::Relation,
        Kind::Informed,
        Kind::OptOut,
        Kind::Block,
        Kind::BlockCaller,
    ];

    /// Its name on the command line, in seeds and in the journal.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Organization => "organization",
            Kind::Approval => "approval",
            Kind::Consent => "consent",
            Kind::Withdrawal => "withdrawal",
            Kind::Objection => "objection",
            Kind::Restriction => "restriction",
            Kind::Relation => "relation",
            Kind::Informed => "informed",
            Kind::OptOut => "opt-out",
            Kind::Block => "block",
            Kind::BlockCaller => "block-caller",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether its entries are about a person, so that they name a `subject`.
    pub fn is_about_a_person(self) -> bool {
        self.key("subject").is_some()
    }

    /// The words that it takes.
    pub const fn keys(self) -> &'static [Key] {
        match self {
            Kind::Organization => {
                const {
                    &[
                        Key::needed("id", What::Organization),
                        Key::needed("recipient", What::Registered),
                        Key::one("country", What::Country),
                        FROM,
                        UNTIL,
                        Key::many("purposes", What::Purpose),
                        Key::one("overseas", What::Overseas),
                        Key::one("overseas-until", What::Until),
                    ]
                }
            }
            Kind::Approval => {
                const {
                    &[
                        Key::needed("organization", What::Organization),
                        Key::needed("purpose", What::Purpose),
                        FROM,
                        UNTIL,
                    ]
                }
            }
            Kind::Consent => {
                const {
                    &[
                        SUBJECT,
                        Key::needed("purpose", What::Purpose),
                        Key::one("recipient", What::Recipient),
                        Key::one("organization", What::Organization),
                        Key::many("categories", What::Category),
                        FROM,
                        UNTIL,
                    ]
                }
            }
            Kind::Withdrawal => {
                const {
                    &[
                        SUBJECT,
                        Key::one("purpose", What::Purpose),
                        Key::one("recipient", What::Recipient),
                        Key::one("organization", What::Organization),
                        FROM,
                    ]
                }
            }
            Kind::Objection => {
                const {
                    &[
                        SUBJECT,
                        Key::one("purpose", What::Purpose),
                        Key::one("recipient", What::Recipient),
                        Key::many("categories", What::Category),
                        FROM,
                        UNTIL,
                    ]
                }
            }
            Kind::Restriction => const { &[SUBJECT, Key::needed("name", What::Restriction)] },
            Kind::Relation => {
                const {
                    &[
                        SUBJECT,
                        Key::needed("relation", What::Relation),
                        Key::one("organization", What::Organization),
                        Key::one("person", What::Personal),
                        Key::many("records", What::Personal),
                        FROM,
                        UNTIL,
                    ]
                }
            }
            Kind::Informed => {
                const { &[SUBJECT, Key::needed("purpose", What::Purpose), Key::needed("at", What::From)] }
            }
            Kind::OptOut => const { &[SUBJECT, Key::needed("name", What::OptOut)] },
            Kind::Block => const { &[SUBJECT] },
            Kind::BlockCaller => {
                const { &[Key::needed("issuer", What::Issuer), Key::needed("caller", What::Personal)] }
            }
        }
    }

    /// The key of that name.
    pub fn key(self, name: &str) -> Option<&'static Key> {
        self.keys().iter().find(|key| key.name == name)
    }
}

/// A word that a kind takes: `purpose=research`.
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What its values are.
    pub what: What,
    /// Whether it has to be there.
    pub needed: bool,
    /// Whether it takes several values (comma-separated, or the key repeated).
    pub many: bool,
}

impl Key {
    const fn needed(name: &'static str, what: What) -> Key {
        Key { name, what, needed: true, many: false }
    }

    const fn one(name: &'static str, what: What) -> Key {
        Key { name, what, needed: false, many: false }
    }

    const fn many(name: &'static str, what: What) -> Key {
        Key { name, what, needed: false, many: true }
    }
}

const SUBJECT: Key = Key::needed("subject", What::Personal);
const FROM: Key = Key::one("from", What::From);
const UNTIL: Key = Key::one("until", What::Until);

/// What a value has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// An id of a person or of a person's record: any text, never repeated in a message.
    Personal,
    /// An issuer's id: any text.
    Issuer,
    /// An organisation's id; `internal` and `principal` are reserved.
    Organization,
    /// A recipient id of a policy.
    Recipient,
    /// A recipient id that an organisation may be: neither `internal` nor `principal`.
    Registered,
    /// A purpose of a policy.
    Purpose,
    /// A category, or a name above categories.
    Category,
    /// A restriction of the vocabulary.
    Restriction,
    /// A relation of the vocabulary.
    Relation,
    /// An opt-out of a policy, or a recipient id or purpose of it.
    OptOut,
    /// ISO 3166-1 alpha-2, in capitals.
    Country,
    /// A ground of art. 28.
    Overseas,
    /// A date (its first moment) or a date-time with offset.
    From,
    /// A date (its whole day included) or a date-time with offset (the first moment no longer in force).
    Until,
}
