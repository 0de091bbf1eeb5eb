//! Purposes of the catalogue. One that the file does not mention, or mentions without `ended`, is never ended.

use proto::act::{OperatorDeed, Purpose};

use super::{Action, Comparison, Said, What, nothing, said};
use crate::commands::declare::described::WantedPurpose;

impl Comparison<'_> {
    pub(super) fn purposes(&mut self, wanted: &[WantedPurpose]) {
        for one in wanted {
            self.purpose(one);
        }
        let mentioned: std::collections::BTreeSet<_> =
            wanted.iter().map(|one| &one.purpose.code).collect();
        let registry = self.registry;
        for record in registry.purposes() {
            if !mentioned.contains(&record.purpose.code) && !record.purpose.ended {
                self.not_described(What::Purpose, &record.purpose.code);
            }
        }
    }

    fn purpose(&mut self, wanted: &WantedPurpose) {
        let registry = self.registry;
        let Some(record) = registry.purpose(&wanted.purpose.code) else {
            let way = self.seal(OperatorDeed::SetPurpose(wanted.purpose.clone()));
            let to = [
                wanted.purpose.name_en.clone(),
                wanted.purpose.name_ar.clone(),
            ];
            let what = (Action::Create, What::Purpose);
            self.differs(what, &wanted.purpose.code, [nothing(), to], way);
            return;
        };
        let known = &record.purpose;
        let target = Purpose {
            ended: wanted.ended.unwrap_or(known.ended),
            ..wanted.purpose.clone()
        };
        if target == *known {
            return;
        }
        let action = if target.ended && !known.ended {
            Action::End
        } else {
            Action::Change
        };
        let change = [changed(known, &target), changed(&target, known)];
        let code = target.code.clone();
        let way = self.seal(OperatorDeed::SetPurpose(target));
        self.differs((action, What::Purpose), code, change, way);
    }
}

/// What of `one` is not as in `other`.
fn changed(one: &Purpose, other: &Purpose) -> Said {
    let mut parts: [Vec<String>; 2] = Default::default();
    let texts = [
        (&one.name_ar, &other.name_ar),
        (&one.name_en, &other.name_en),
        (&one.legal_basis_ar, &other.legal_basis_ar),
        (&one.legal_basis_en, &other.legal_basis_en),
    ];
    for (text, other) in texts {
        if text != other {
            parts
                .iter_mut()
                .for_each(|said| said.push(format!("\"{text}\"")));
        }
    }
    if one.ended != other.ended {
        let words = if one.ended {
            said("ended", "منتهٍ")
        } else {
            said("in use", "سارٍ")
        };
        parts
            .iter_mut()
            .zip(words)
            .for_each(|(said, word)| said.push(word));
    }
    parts.map(|said| said.join(", "))
}
