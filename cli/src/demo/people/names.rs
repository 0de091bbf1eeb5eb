//! Arabic names: who is called what, and how each register writes it.
//!
//! An Egyptian's full name is his own, his father's, his grandfather's and the family's. The civil
//! register keeps it as the identity card shows it. Every other register has its habits (hamza
//! left off, `ه` for `ة`, `عبدالله` for `عبد الله`, stretched letters, vowel signs), so one person
//! is written in several ways: the everyday trouble of matching people between agencies by name,
//! and the reason why the national ID is the key. [`fold`] brings all of them to one form.

mod coptic;
mod spelling;
mod tables;

pub use spelling::fold;
pub(super) use spelling::write_name;

use super::ids::Sex;
use super::rng::Chance;

/// One name, in the identity card's spelling and in Latin letters.
#[derive(Debug, PartialEq, Eq)]
pub struct Name {
    /// Arabic, normal form C.
    pub ar: &'static str,
    /// The usual Latin spelling.
    pub en: &'static str,
}

/// A person's four names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FullName {
    /// The person's own.
    pub given: &'static Name,
    /// The father's given name.
    pub father: &'static Name,
    /// The paternal grandfather's given name.
    pub grandfather: &'static Name,
    /// The family name.
    pub family: &'static Name,
}

impl FullName {
    /// The four names in order.
    pub fn parts(&self) -> [&'static Name; 4] {
        [self.given, self.father, self.grandfather, self.family]
    }

    /// Latin letters: own name, father's, family name, as an English page shows it.
    pub fn english(&self) -> String {
        format!("{} {} {}", self.given.en, self.father.en, self.family.en)
    }

    /// The name of this man's child.
    pub(super) fn child(&self, given: &'static Name) -> Self {
        Self {
            given,
            father: self.given,
            grandfather: self.father,
            family: self.family,
        }
    }
}

/// Which lists a household's names come from. Never written into any register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tradition {
    Common,
    Coptic,
}

impl Tradition {
    /// One household in ten is Coptic, about the share usually quoted.
    pub(super) fn draw(chance: &mut Chance) -> Self {
        if chance.percent(10) {
            Self::Coptic
        } else {
            Self::Common
        }
    }

    /// The list of given names, commonest first.
    fn given(self, sex: Sex) -> &'static [Name] {
        match (self, sex) {
            (Self::Common, Sex::Male) => &tables::MALE,
            (Self::Common, Sex::Female) => &tables::FEMALE,
            (Self::Coptic, Sex::Male) => &coptic::MALE,
            (Self::Coptic, Sex::Female) => &coptic::FEMALE,
        }
    }

    fn family(self) -> &'static [Name] {
        match self {
            Self::Common => &tables::FAMILY,
            Self::Coptic => &coptic::FAMILY,
        }
    }

    /// A given name that is not in `taken`, so that brothers differ. The lists are longer than
    /// any family, so one is always found.
    pub(super) fn draw_given(
        self,
        chance: &mut Chance,
        sex: Sex,
        taken: &[&'static Name],
    ) -> &'static Name {
        let list = self.given(sex);
        let start = chance.early_index(list.len());
        let (before, from) = list.split_at(start);
        from.iter()
            .chain(before)
            .find(|name| !taken.contains(name))
            .unwrap_or(&list[start])
    }

    /// A full name with a lineage of its own.
    pub(super) fn draw_full(self, chance: &mut Chance, sex: Sex) -> FullName {
        let given = self.draw_given(chance, sex, &[]);
        let father = self.draw_given(chance, Sex::Male, &[given]);
        let grandfather = self.draw_given(chance, Sex::Male, &[father]);
        let families = self.family();
        let family = &families[chance.below(families.len() as u64) as usize];
        FullName {
            given,
            father,
            grandfather,
            family,
        }
    }
}
