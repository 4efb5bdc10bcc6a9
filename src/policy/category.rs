//! What kind of data is a value? The leaves of the vocabulary's category tree, as small sets.

/// A leaf category: its index in the vocabulary it was read from (below [`Categories::MAX`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Category(u8);

impl Category {
    /// The category at this index of the vocabulary; `None` past [`Categories::MAX`].
    pub fn from_index(index: usize) -> Option<Category> {
        u8::try_from(index).ok().filter(|i| usize::from(*i) < Categories::MAX).map(Category)
    }

    /// Its index in the vocabulary.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The set of this one.
    pub const fn only(self) -> Categories {
        Categories(1 << self.0)
    }
}

/// A set of leaf categories. Copied, never allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Categories(u128);

impl Categories {
    /// How many categories a vocabulary may have.
    pub const MAX: usize = 128;
    /// No category.
    pub const NONE: Categories = Categories(0);
    /// Every category, of whatever vocabulary.
    pub const ALL: Categories = Categories(u128::MAX);

    /// Whether `category` is in the set.
    pub const fn contains(self, category: Category) -> bool {
        self.0 >> category.0 & 1 == 1
    }
    /// In both.
    pub const fn and(self, other: Categories) -> Categories {
        Categories(self.0 & other.0)
    }
    /// In either.
    pub const fn or(self, other: Categories) -> Categories {
        Categories(self.0 | other.0)
    }
    /// In this and not in `other`.
    pub const fn without(self, other: Categories) -> Categories {
        Categories(self.0 & !other.0)
    }
    /// All that are not in the set.
    pub const fn not(self) -> Categories {
        Categories(!self.0)
    }
    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// Whether every category of `other` is in the set.
    pub const fn covers(self, other: Categories) -> bool {
        other.0 & !self.0 == 0
    }
    /// Whether the two share a category.
    pub const fn meets(self, other: Categories) -> bool {
        self.0 & other.0 != 0
    }
    /// How many there are.
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }
    /// The categories in the vocabulary's order.
    pub fn iter(self) -> impl Iterator<Item = Category> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let index = u8::try_from(left.trailing_zeros()).ok().filter(|i| *i < 128)?;
            left &= left - 1;
            Some(Category(index))
        })
    }
}

impl FromIterator<Category> for Categories {
    fn from_iter<I: IntoIterator<Item = Category>>(categories: I) -> Categories {
        categories.into_iter().fold(Categories::NONE, |set, one| set.or(one.only()))
    }
}
