//! Agencies and what only they can seal. Nothing here is ever ended; a suspension is made or lifted only where the
//! file says so in words.

use std::collections::{BTreeMap, BTreeSet};

use proto::act::OperatorDeed;
use proto::id::{AgencyId, Part, SystemId};
use proto::registry::{Agency, AgreementState, Registry, WaitingFor};

use super::{Action, Comparison, Deed, Way, What, Whom, nothing, said, text};
use crate::commands::declare::described::{WantedAgency, WantedAgreement, WantedService};

/// What stands in an act where a suspension is lifted and the file gives no reason.
const LIFTED: &str = "described as not suspended";

/// What of the registry is asked for once an agency.
struct Live {
    /// Adapters with a key that counts, by system.
    adapters: BTreeMap<SystemId, BTreeSet<Part>>,
    /// Names of agencies, folded to one case.
    names: BTreeMap<String, AgencyId>,
}

impl Live {
    fn of(registry: &Registry) -> Self {
        let mut adapters: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for key in registry.keys().filter(|key| key.ended.is_none()) {
            let of_system = adapters.entry(key.system.clone()).or_default();
            of_system.insert(key.adapter.clone());
        }
        let names = registry
            .agencies()
            .map(|agency| (agency.id.folded(), agency.id.clone()));
        Self {
            adapters,
            names: names.collect(),
        }
    }
}

impl Comparison<'_> {
    pub(super) fn agencies(&mut self, wanted: &[WantedAgency]) {
        let registry = self.registry;
        let live = Live::of(registry);
        for agency in wanted {
            match registry.agency(&agency.id) {
                Some(known) => self.known(agency, known),
                None => self.newcomer(agency, &live),
            }
            self.systems(agency, &live);
            self.services(agency);
        }
        let mentioned: BTreeMap<_, _> = wanted.iter().map(|one| (&one.id, one)).collect();
        for agency in registry.agencies() {
            if !mentioned.contains_key(&agency.id) {
                self.not_described(What::Agency, &agency.id);
            }
        }
        for system in registry.systems().filter(|one| one.ended.is_none()) {
            let lists = mentioned
                .get(&system.id.agency())
                .and_then(|agency| agency.systems.as_ref());
            if lists
                .is_some_and(|all| !all.iter().any(|one| one.name.as_str() == system.id.part(3)))
            {
                self.not_described(What::System, &system.id);
            }
        }
        for service in registry.services() {
            let id = service.definition.id();
            let lists = mentioned
                .get(&id.system().agency())
                .and_then(|agency| agency.services.as_ref());
            let listed = |one: &WantedService| {
                one.system.as_str() == id.part(3) && one.name.as_str() == id.part(4)
            };
            if lists.is_some_and(|all| !all.iter().any(listed)) {
                self.not_described(What::Service, &id);
            }
        }
    }

    fn known(&mut self, wanted: &WantedAgency, known: &Agency) {
        let names = [
            (&wanted.name_ar, &known.name_ar),
            (&wanted.name_en, &known.name_en),
        ];
        for (name, known) in names {
            if let Some(name) = name.as_ref().filter(|name| *name != known) {
                let way = Way::Stuck(said(
                    "a name is sealed at enrolment: correct the file",
                    "الاسم مختوم عند التسجيل: صحّح الملف",
                ));
                let change = [text(known), text(name)];
                self.differs((Action::Change, What::AgencyName), &wanted.id, change, way);
            }
        }
        self.suspension(wanted, known.suspended.is_some(), false);
        self.quota(wanted, known.daily_quota, false);
    }

    fn suspension(&mut self, wanted: &WantedAgency, suspended: bool, later: bool) {
        let Some(target) = wanted.suspended.filter(|target| *target != suspended) else {
            return;
        };
        let reason = wanted.reason.clone().unwrap_or_else(|| LIFTED.to_owned());
        let words = |suspended: bool| {
            if suspended {
                said("suspended", "موقوفة")
            } else {
                said("not suspended", "غير موقوفة")
            }
        };
        let way = if later {
            after_enrolment()
        } else {
            self.seal(OperatorDeed::SuspendAgency {
                agency: wanted.id.clone(),
                lifted: !target,
                reason,
            })
        };
        let change = [words(suspended), words(target)];
        self.differs((Action::Change, What::Suspension), &wanted.id, change, way);
    }

    fn quota(&mut self, wanted: &WantedAgency, known: u64, later: bool) {
        let Some(daily) = wanted.daily_quota.filter(|daily| *daily != known) else {
            return;
        };
        let way = if later {
            after_enrolment()
        } else {
            self.seal(OperatorDeed::SetQuota {
                agency: wanted.id.clone(),
                daily,
            })
        };
        let words = |daily: u64| match daily {
            0 => said("no limit", "بلا حد"),
            daily => text(daily),
        };
        let change = [words(known), words(daily)];
        self.differs((Action::Change, What::Quota), &wanted.id, change, way);
    }

    fn newcomer(&mut self, wanted: &WantedAgency, live: &Live) {
        let name = [&wanted.name_en, &wanted.name_ar].map(|name| name.clone().unwrap_or_default());
        let way = self.invitation(wanted, live);
        let change = [nothing(), name];
        self.differs((Action::Create, What::Agency), &wanted.id, change, way);
        self.suspension(wanted, false, true);
        self.quota(wanted, 0, true);
    }

    fn invitation(&self, wanted: &WantedAgency, live: &Live) -> Way {
        let folded = wanted.id.folded();
        let instance = self.registry.genesis().map(|genesis| &genesis.instance);
        if let Some(other) = live.names.get(&folded) {
            return Way::Stuck([
                format!("only the case of letters tells it from {other}"),
                format!("لا يميّزها عن {other} إلا حالة الأحرف"),
            ]);
        }
        if let Some(instance) = instance.filter(|one| one.as_str() != wanted.id.instance()) {
            return Way::Stuck([
                format!("every name at this switch begins with {instance}"),
                format!("كل اسم في هذا المحوِّل يبدأ بـ {instance}"),
            ]);
        }
        let invited = || {
            let all = self.registry.invitations();
            all.filter(|record| {
                record.used.is_none()
                    && record.invitation.expires_at_ms > self.at_ms
                    && record.invitation.agency.folded() == folded
            })
        };
        if invited().any(|record| record.approved) {
            return Way::Request {
                of: Whom::Agency(wanted.id.to_string()),
                command: enrol(wanted),
            };
        }
        let tokens: BTreeSet<_> = invited().map(|record| record.invitation.token).collect();
        let waits = self.registry.waiting().find(|(_, waiting)| {
            matches!(&waiting.what, WaitingFor::Invitation(token) if tokens.contains(token))
        });
        if let Some((id, waiting)) = waits {
            return Way::Waits {
                act: *id,
                by: waiting.operator.clone(),
            };
        }
        let applied = self.registry.applications().find(|(_, record)| {
            record.waits_at(self.at_ms) && record.application.agency.folded() == folded
        });
        match applied {
            // Only a person can compare the fingerprint that it named.
            Some((id, _)) => Way::Request {
                of: Whom::Operator,
                command: format!("mohawel agency approve {}", id.short()),
            },
            None => Way::Seal(Deed::Invite(wanted.id.clone())),
        }
    }

    fn systems(&mut self, wanted: &WantedAgency, live: &Live) {
        let registry = self.registry;
        let on_board = registry.agency(&wanted.id).is_some();
        // The first system comes with the enrolment.
        let skipped = usize::from(!on_board);
        for one in wanted.systems.iter().flatten().skip(skipped) {
            let id = wanted.id.system(&one.name);
            let of = || Whom::Agency(wanted.id.to_string());
            let known = registry.system(&id);
            if known.is_some_and(|system| system.ended.is_some()) {
                let way = Way::Stuck(said(
                    "it was ended for good: describe a system of another name",
                    "أُنهي نهائيًا: صف نظامًا باسم آخر",
                ));
                let change = [said("ended", "منتهٍ"), said("in use", "سارٍ")];
                self.differs((Action::Create, What::System), id, change, way);
                continue;
            }
            if known.is_none() && one.adapters.is_empty() {
                let way = Way::Request {
                    of: of(),
                    command: format!("mohawel system add HOME --system {id} --from OTHER_HOME"),
                };
                self.differs(
                    (Action::Create, What::System),
                    &id,
                    [nothing(), nothing()],
                    way,
                );
            }
            let there = live.adapters.get(&id);
            for adapter in &one.adapters {
                if there.is_some_and(|adapters| adapters.contains(adapter)) {
                    continue;
                }
                let command = format!(
                    "mohawel system add HOME --system {id} --adapter {adapter} --from OTHER_HOME"
                );
                let way = Way::Request { of: of(), command };
                let which = format!("{id} {adapter}");
                self.differs(
                    (Action::Create, What::Adapter),
                    which,
                    [nothing(), nothing()],
                    way,
                );
            }
        }
    }

    fn services(&mut self, wanted: &WantedAgency) {
        let registry = self.registry;
        for one in wanted.services.iter().flatten() {
            let id = wanted.id.system(&one.system).service(&one.name);
            let known = registry.service(&id);
            let has = |name: &Part| {
                known.is_some_and(|service| {
                    let mut operations = service.definition.operations.iter();
                    operations.any(|operation| operation.name == *name)
                })
            };
            let missing: Vec<_> = one.operations.iter().filter(|name| !has(name)).collect();
            if known.is_some() && missing.is_empty() {
                continue;
            }
            let action = if known.is_some() {
                Action::Change
            } else {
                Action::Create
            };
            let missing: Vec<_> = missing.into_iter().map(Part::as_str).collect();
            let change = [nothing(), text(missing.join(" "))];
            let way = Way::Request {
                of: Whom::Agency(wanted.id.to_string()),
                command: "mohawel service publish FILE --home HOME".to_owned(),
            };
            self.differs((action, What::Service), id, change, way);
        }
    }

    pub(super) fn agreements(&mut self, wanted: &[WantedAgreement]) {
        for one in wanted {
            self.agreement(one);
        }
        let mentioned: BTreeSet<_> = wanted
            .iter()
            .map(|one| (one.consumer.clone(), one.provider.clone()))
            .collect();
        for (consumer, provider) in in_force(self.registry, self.at_ms) {
            if !mentioned.contains(&(consumer.clone(), provider.clone())) {
                self.not_described(What::Agreement, format!("{consumer} → {provider}"));
            }
        }
    }

    fn agreement(&mut self, wanted: &WantedAgreement) {
        let registry = self.registry;
        let between: Vec<_> = registry
            .agreements()
            .filter(|record| {
                record.content.provider == wanted.provider
                    && record.content.not_after_ms > self.at_ms
                    && record.content.consumer.to_string() == wanted.consumer
            })
            .collect();
        if between
            .iter()
            .any(|one| one.state == AgreementState::Active)
        {
            return;
        }
        let proposed = between
            .iter()
            .find(|one| one.state == AgreementState::Proposed);
        let (of, command, from) = if let Some(record) = proposed {
            let by_provider = record
                .acts
                .first()
                .is_some_and(|act| act.agency == wanted.provider);
            let other = if by_provider {
                wanted.consumer.clone()
            } else {
                wanted.provider.to_string()
            };
            let command = format!("mohawel agreement accept {} --home HOME", record.id.short());
            (other, command, said("proposed", "مقترحة"))
        } else {
            // A public grant is sealed by the provider alone.
            let one_agency = AgencyId::parse(&wanted.consumer).is_ok();
            let proposer = if one_agency {
                wanted.consumer.clone()
            } else {
                wanted.provider.to_string()
            };
            let command = "mohawel agreement propose FILE --home HOME".to_owned();
            (proposer, command, nothing())
        };
        let which = format!("{} → {}", wanted.consumer, wanted.provider);
        let change = [from, said("active", "سارية")];
        let way = Way::Request {
            of: Whom::Agency(of),
            command,
        };
        self.differs((Action::Create, What::Agreement), which, change, way);
    }
}

/// Who asks whom under an agreement that both sealed and that has not ended, ascending, each once.
pub(in crate::commands::declare) fn in_force(
    registry: &Registry,
    at_ms: u64,
) -> BTreeSet<(String, AgencyId)> {
    registry
        .agreements()
        .filter(|record| {
            record.state == AgreementState::Active
                && record.content.not_after_ms > at_ms
                && record.superseded_from_ms.is_none_or(|from| from > at_ms)
        })
        .map(|record| {
            let content = &record.content;
            (content.consumer.to_string(), content.provider.clone())
        })
        .collect()
}

fn after_enrolment() -> Way {
    Way::Later(said("after the agency has enrolled", "بعد أن تُسجَّل الجهة"))
}

/// What the agency runs with its invitation.
fn enrol(wanted: &WantedAgency) -> String {
    let system = wanted.systems.iter().flatten().next();
    let name = |name: &Option<String>, instead: &str| {
        let name = name.as_deref().unwrap_or(instead);
        format!("'{}'", name.replace('\'', "'\\''"))
    };
    let adapter = system
        .and_then(|system| system.adapters.first())
        .map_or_else(String::new, |adapter| format!(" --adapter {adapter}"));
    format!(
        "mohawel adapter enrol @INVITATION --home HOME --system {}{adapter} --name-ar {} --name-en {}",
        system.map_or("SYSTEM", |system| system.name.as_str()),
        name(&wanted.name_ar, "NAME"),
        name(&wanted.name_en, "NAME"),
    )
}
