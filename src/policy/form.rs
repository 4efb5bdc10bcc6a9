//! In which form may a value leave? From nothing to everything, in one order.

use super::category::{Categories, Category};

/// A form, least revealing first: the derived order *is* the order of revelation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Form {
    /// The member is removed.
    #[default]
    Withheld,
    /// The member stays, its value is replaced: a string by `"***"`, any other type by `null`.
    Masked,
    /// The value is made coarser by the field's generaliser, else withheld.
    Generalised,
    /// The value is replaced by a keyed pseudonym of this receiving organisation, purpose and epoch.
    Pseudonymised,
    /// The same bytes.
    Clear,
}

impl Form {
    /// Every form, least revealing first.
    pub const ALL: [Form; 5] = [Form::Withheld, Form::Masked, Form::Generalised, Form::Pseudonymised, Form::Clear];

    /// The name on the wire, in policies and in records.
    pub const fn name(self) -> &'static str {
        match self {
            Form::Withheld => "withheld",
            Form::Masked => "masked",
            Form::Generalised => "generalised",
            Form::Pseudonymised => "pseudonymised",
            Form::Clear => "clear",
        }
    }

    /// The form of that name.
    pub fn from_name(name: &str) -> Option<Form> {
        Form::ALL.into_iter().find(|form| form.name() == name)
    }
}

/// A form for each category: four disjoint sets; a category in none of them is withheld.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Release {
    masked: Categories,
    generalised: Categories,
    pseudonymised: Categories,
    clear: Categories,
}

impl Release {
    /// Everything withheld.
    pub const NOTHING: Release = Release {
        masked: Categories::NONE,
        generalised: Categories::NONE,
        pseudonymised: Categories::NONE,
        clear: Categories::NONE,
    };

    /// These categories in clear, all else withheld.
    pub const fn clear(categories: Categories) -> Release {
        Release { clear: categories, ..Release::NOTHING }
    }

    /// The form of one category.
    pub fn form(&self, category: Category) -> Form {
        if self.clear.contains(category) {
            Form::Clear
        } else if self.pseudonymised.contains(category) {
            Form::Pseudonymised
        } else if self.generalised.contains(category) {
            Form::Generalised
        } else if self.masked.contains(category) {
            Form::Masked
        } else {
            Form::Withheld
        }
    }

    /// The categories that have exactly this form among `asked`.
    pub fn having(&self, form: Form, asked: Categories) -> Categories {
        asked.and(match form {
            Form::Withheld => self.any().not(),
            Form::Masked => self.masked,
            Form::Generalised => self.generalised,
            Form::Pseudonymised => self.pseudonymised,
            Form::Clear => self.clear,
        })
    }

    /// The categories released in whatever form.
    pub const fn any(&self) -> Categories {
        self.masked.or(self.generalised).or(self.pseudonymised).or(self.clear)
    }

    /// Per category the more revealing of the two: a permit only adds.
    pub const fn most(&self, other: &Release) -> Release {
        let clear = self.clear.or(other.clear);
        let pseudonymised = self.pseudonymised.or(other.pseudonymised).without(clear);
        let above = clear.or(pseudonymised);
        let generalised = self.generalised.or(other.generalised).without(above);
        let above = above.or(generalised);
        let masked = self.masked.or(other.masked).without(above);
        Release { masked, generalised, pseudonymised, clear }
    }

    /// No category of `categories` above `cap`: how a forbid bites.
    pub fn capped(&self, categories: Categories, cap: Form) -> Release {
        let mut capped = self.only(categories.not());
        let held = self.only(categories);
        for form in Form::ALL {
            let of_form = held.having(form, categories);
            capped = capped.most(&Release::of(of_form, form.min(cap)));
        }
        capped
    }

    /// Per category the less revealing of the two: what a certified dataset holds at most.
    pub fn least(&self, other: &Release) -> Release {
        let mut least = Release::NOTHING;
        for form in Form::ALL {
            for cap in Form::ALL {
                let both = self.having(form, Categories::ALL).and(other.having(cap, Categories::ALL));
                least = least.most(&Release::of(both, form.min(cap)));
            }
        }
        least
    }

    /// These categories in this form, all else withheld.
    pub const fn of(categories: Categories, form: Form) -> Release {
        match form {
            Form::Withheld => Release::NOTHING,
            Form::Masked => Release { masked: categories, ..Release::NOTHING },
            Form::Generalised => Release { generalised: categories, ..Release::NOTHING },
            Form::Pseudonymised => Release { pseudonymised: categories, ..Release::NOTHING },
            Form::Clear => Release { clear: categories, ..Release::NOTHING },
        }
    }

    /// The same for `categories`, withheld elsewhere.
    pub const fn only(&self, categories: Categories) -> Release {
        Release {
            masked: self.masked.and(categories),
            generalised: self.generalised.and(categories),
            pseudonymised: self.pseudonymised.and(categories),
            clear: self.clear.and(categories),
        }
    }
}
