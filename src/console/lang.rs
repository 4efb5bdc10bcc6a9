//! In which language does a page speak?

/// English or Japanese.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Japanese.
    Ja,
}

impl Lang {
    /// The one of both.
    pub const fn pick<'t>(self, en: &'t str, ja: &'t str) -> &'t str {
        match self {
            Lang::En => en,
            Lang::Ja => ja,
        }
    }

    /// `en`, `ja`.
    pub const fn code(self) -> &'static str {
        self.pick("en", "ja")
    }

    pub(super) fn from_code(code: &str) -> Option<Lang> {
        match code {
            "en" => Some(Lang::En),
            "ja" => Some(Lang::Ja),
            _ => None,
        }
    }
}
