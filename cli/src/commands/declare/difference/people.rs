//! People, their roles, and which acts need two of them. Nobody who is not mentioned loses a role, and the last
//! operator never does.

use std::collections::BTreeSet;

use proto::act::{OperatorDeed, PersonRole, TwoOperators};
use proto::id::Part;
use proto::registry::Person;

use super::{Action, Comparison, Deed, Said, Way, What, Whom, nothing, said, text};
use crate::commands::agency::fingerprint::of as fingerprint_of;
use crate::commands::declare::described::WantedPerson;

impl Comparison<'_> {
    pub(super) fn people(&mut self, wanted: &[WantedPerson]) {
        for person in wanted.iter().filter(|person| !person.ended) {
            self.in_office(person);
        }
        self.ends(wanted);
        let mentioned: BTreeSet<_> = wanted.iter().map(|one| (one.role, &one.name)).collect();
        let registry = self.registry;
        for person in registry.people() {
            if person.ended.is_none() && !mentioned.contains(&(person.role, &person.name)) {
                self.not_described(What::Role, which(person.role, &person.name));
            }
        }
    }

    fn in_office(&mut self, wanted: &WantedPerson) {
        let registry = self.registry;
        let to = kid(wanted);
        let which = which(wanted.role, &wanted.name);
        let known = registry.person(wanted.role, &wanted.name);
        if let Some(person) = known.filter(|person| person.ended.is_none()) {
            let other = wanted.kid.is_some()
                && person.key.as_ref().map(proto::key::PublicKey::kid) != wanted.kid;
            if other {
                let way = Way::Stuck(said(
                    "another key: end the role with `ended = true`, apply, then describe the new key",
                    "مفتاح آخر: أنهِ الدور بكتابة ended = true وطبّق، ثم صف المفتاح الجديد",
                ));
                let change = [key_of(person), to];
                self.differs((Action::Change, What::Role), which, change, way);
            }
            return;
        }
        let way = self.grant(wanted, known);
        let from = known.map_or_else(nothing, |_| said("ended", "منتهٍ"));
        self.differs((Action::Create, What::Role), which, [from, to], way);
    }

    fn grant(&self, wanted: &WantedPerson, known: Option<&Person>) -> Way {
        let (role, name) = (wanted.role, &wanted.name);
        let taken = self.registry.people().any(|person| {
            person.ended.is_none()
                && person.role.seals()
                && role.seals()
                && person.name.as_str().eq_ignore_ascii_case(name.as_str())
        });
        if taken {
            return Way::Stuck(said(
                "somebody of this name is an operator or approver already: one name is one person",
                "يوجد مشغّل أو معتمِد بهذا الاسم: الاسم الواحد لشخص واحد",
            ));
        }
        if role.seals() && wanted.key.is_none() {
            return Way::Request {
                of: Whom::Person(name.clone()),
                command: format!("mohawel role request DIR --role {role} --name {name}"),
            };
        }
        let used = known.and_then(|person| person.key.as_ref()) == wanted.key.as_ref();
        if role.seals() && known.is_some() && used {
            return Way::Stuck(said(
                "this key lost the role and cannot have it again: make a new one, or write `ended = true`",
                "فقد هذا المفتاح الدور ولا يعود إليه: أنشئ مفتاحًا جديدًا أو اكتب ended = true",
            ));
        }
        self.seal(OperatorDeed::SetRole {
            role,
            name: name.clone(),
            key: wanted.key.clone(),
            ended: false,
        })
    }

    fn ends(&mut self, wanted: &[WantedPerson]) {
        let registry = self.registry;
        let (mut sealing, mut operators) = self.sealing();
        // Those whom this very directory seats make room for ends, once they sit.
        let seats = |role: PersonRole| wanted.iter().any(|one| one.role == role && !one.ended);
        let two_needed = !registry.policy().0.is_empty();
        for one in wanted.iter().filter(|person| person.ended) {
            let Some(person) = registry
                .person(one.role, &one.name)
                .filter(|person| person.ended.is_none())
            else {
                continue;
            };
            let last_operator = one.role == PersonRole::Operator && operators == 1;
            let last_two = one.role.seals() && two_needed && sealing == 2;
            let way = if last_operator && !seats(PersonRole::Operator) {
                Way::Stuck(said(
                    "the last operator is never ended: describe another one first",
                    "آخر مشغّل لا يُنهى دوره: صف مشغّلًا آخر أولًا",
                ))
            } else if last_operator || last_two {
                Way::Later(said(
                    "after another person who seals is in office",
                    "بعد أن يتولى شخص آخر دورًا يختم",
                ))
            } else {
                if one.role.seals() {
                    sealing -= 1;
                }
                if one.role == PersonRole::Operator {
                    operators -= 1;
                }
                self.seal(OperatorDeed::SetRole {
                    role: one.role,
                    name: one.name.clone(),
                    key: person.key.clone(),
                    ended: true,
                })
            };
            let change = [said("in office", "في الخدمة"), said("ended", "منتهٍ")];
            let which = which(one.role, &one.name);
            self.differs((Action::End, What::Role), which, change, way);
        }
    }

    pub(super) fn policy(&mut self, wanted: &TwoOperators, people: Option<&[WantedPerson]>) {
        let known = self.registry.policy();
        if wanted == known {
            return;
        }
        let change = [names(known), names(wanted)];
        let (sealing, _) = self.sealing();
        // Grants that count at once come before the policy; those that wait for a second seal do not count yet.
        let granted = if known.covers("role") {
            0
        } else {
            let roles = self.plan.sealed().filter(|(_, deed)| {
                matches!(deed, Deed::Act(OperatorDeed::SetRole { role, ended: false, .. }) if role.seals())
            });
            roles.count()
        };
        let ended = self.plan.sealed().filter(|(_, deed)| {
            matches!(deed, Deed::Act(OperatorDeed::SetRole { role, ended: true, .. }) if role.seals())
        });
        let left = (sealing + granted).saturating_sub(ended.count());
        let few = !wanted.0.is_empty() && left < 2;
        let way = if few && people.is_some() {
            Way::Later(said(
                "after two people who seal are in office",
                "بعد أن يتولى شخصان دورين يختمان",
            ))
        } else if few {
            Way::Stuck(said(
                "two people who seal are needed first: grant another one a role",
                "يلزم أولًا شخصان يختمان: امنح شخصًا آخر دورًا",
            ))
        } else {
            self.seal(OperatorDeed::SetPolicy(wanted.clone()))
        };
        self.differs((Action::Change, What::Policy), "two_operators", change, way);
    }
}

fn which(role: PersonRole, name: &Part) -> String {
    format!("{role} {name}")
}

fn key_of(person: &Person) -> Said {
    person
        .key
        .as_ref()
        .map_or_else(nothing, |key| text(fingerprint_of(key)))
}

fn kid(wanted: &WantedPerson) -> Said {
    wanted.kid.map_or_else(
        || said("in office", "في الخدمة"),
        |kid| text(certs::Fingerprint::of_kid(kid.0)),
    )
}

fn names(policy: &TwoOperators) -> Said {
    if policy.0.is_empty() {
        return said("none", "لا شيء");
    }
    let names: Vec<_> = policy.0.iter().map(Part::as_str).collect();
    text(names.join(" "))
}
