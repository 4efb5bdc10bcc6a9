//! Which texts does a DICOM value representation take? What is made of a value has to stay one of its kind.
//!
//! Source: DICOM PS3.5 section 6.2; how each stands in JSON: PS3.18 annex F.2.

macro_rules! representations {
    ($($variant:ident $name:literal $what:literal,)*) => {
        /// A value representation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Vr { $(#[doc = $what] $variant,)* }

        impl Vr {
            /// Every value representation.
            pub const ALL: &[Vr] = &[$(Vr::$variant,)*];

            /// Its two letters.
            pub const fn name(self) -> &'static str {
                match self { $(Vr::$variant => $name,)* }
            }
        }
    };
}

representations! {
    Ae "AE" "Application entity: at most 16 characters.",
    As "AS" "Age: `045Y`.",
    At "AT" "Attribute tag.",
    Cs "CS" "Code: at most 16 capitals, digits, blanks, underscores.",
    Da "DA" "Date: `19870502`.",
    Ds "DS" "Decimal text.",
    Dt "DT" "Date and time: `19870502101500+0900`, or its beginning.",
    Fd "FD" "Floating point.",
    Fl "FL" "Floating point.",
    Is "IS" "Integer text.",
    Lo "LO" "Text of at most 64 characters.",
    Lt "LT" "Text of several lines.",
    Ob "OB" "Bytes.",
    Od "OD" "Bytes.",
    Of "OF" "Bytes.",
    Ol "OL" "Bytes.",
    Ov "OV" "Bytes.",
    Ow "OW" "Bytes.",
    Pn "PN" "A person's name, in up to three spellings.",
    Sh "SH" "Text of at most 16 characters.",
    Sl "SL" "Integer.",
    Sq "SQ" "A sequence of data sets.",
    Ss "SS" "Integer.",
    St "ST" "Text.",
    Sv "SV" "Integer.",
    Tm "TM" "Time of day.",
    Uc "UC" "Text of any length.",
    Ui "UI" "Unique identifier: at most 64 digits and dots.",
    Ul "UL" "Integer.",
    Un "UN" "Unknown.",
    Ur "UR" "A URI.",
    Us "US" "Integer.",
    Ut "UT" "Text of any length.",
    Uv "UV" "Integer.",
}

/// What a pseudonym has to fit into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Digits and dots.
    Uid,
    /// 16 characters.
    Short,
    /// 64 characters or more.
    Long,
    /// No pseudonym is a value of this kind.
    None,
}

impl Vr {
    /// The value representation of that name.
    pub fn from_name(name: &str) -> Option<Vr> {
        Vr::ALL.iter().copied().find(|vr| vr.name() == name)
    }

    /// What a pseudonym in its place has to fit into.
    pub const fn room(self) -> Room {
        match self {
            Vr::Ui => Room::Uid,
            Vr::Ae | Vr::Sh => Room::Short,
            Vr::Lo | Vr::Lt | Vr::Pn | Vr::St | Vr::Uc | Vr::Ut => Room::Long,
            _ => Room::None,
        }
    }

    /// Whether any short text is a value of it, so that `***` is one.
    pub const fn takes_any_text(self) -> bool {
        matches!(self.room(), Room::Short | Room::Long)
    }

    /// Whether its values are dates, times, numbers or UIDs: twelve digits in one are no Individual Number (PS3.5 §6.2).
    pub const fn is_typed(self) -> bool {
        matches!(self, Vr::As | Vr::Da | Vr::Ds | Vr::Dt | Vr::Is | Vr::Tm | Vr::Ui)
    }

    /// Whether something coarser than a value of it can be one too.
    pub const fn can_be_coarser(self) -> bool {
        matches!(self, Vr::Da | Vr::Dt | Vr::As) || matches!(self.room(), Room::Long)
    }
}

/// Whether a text can be a unique identifier: at most 64 digits and dots, no empty component. Leading zeros, which PS3.5
/// section 9.1 forbids, are taken: archives hold such ids, and whoever may see a study is to find it.
pub fn is_uid(text: &str) -> bool {
    let component = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    text.len() <= 64 && text.split('.').all(component)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digits_and_dots_are_an_identifier() {
        for good in ["1.2.840.10008.1.1", "2.25.329800735698586629295641978511506172918", "0", "1.0.3", "1.2.0078"] {
            assert!(is_uid(good), "{good}");
        }
        let long = "1".repeat(65);
        for bad in ["", ".", "1..2", "1.2.", ".1", "1.2*", "1,2", "1.2/..", "１.２", "2.25.x", &long] {
            assert!(!is_uid(bad), "{bad}");
        }
    }

    #[test]
    fn each_representation_is_found_by_its_letters() {
        for vr in Vr::ALL {
            assert_eq!(Vr::from_name(vr.name()), Some(*vr));
        }
        assert_eq!(Vr::from_name("XX"), None);
    }
}
