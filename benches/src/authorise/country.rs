//! A registry of so many agreements, folded from acts that agencies sealed.
//!
//! Every agency has an agreement with every other one, each way, until there are enough. Acts are sealed 64 at a
//! time, as the protocol allows, and verified one by one, as the fold does.

use anyhow::anyhow;
use bytes::Bytes;
use certs::{SealAlgorithm, SealKeyFile};
use proto::act::{
    AgencyEnrolment, AgreementAct, AgreementContent, ConsumerScope, Genesis, Grant, Invitation,
    Operator, Purpose, Step,
};
use proto::authorise::Question;
use proto::digest::Digest;
use proto::entry::{Draft, Entry, Kind, Stamp};
use proto::header::RequestHeader;
use proto::id::{AgencyId, Part};
use proto::key::{PublicKey, SignError, Signer};
use proto::limits::{SEAL_SIZE_MAX, label};
use proto::registry::{Act, Registry};
use proto::seal::Seal;

/// When everything was recorded and is asked, Unix time in milliseconds.
pub(super) const NOW_MS: u64 = 1_795_000_000_000;
const ORIGIN: &str = "switch.example/log";
/// Fields of each grant.
const FIELDS: [&str; 5] = ["address", "birth", "income", "name_ar", "name_en"];

/// The folded registry, and who agreed with whom.
pub(super) struct Country {
    registry: Registry,
    index: u64,
    agencies: Vec<(AgencyId, Key)>,
    /// Consumer, provider, agreement.
    agreed: Vec<(usize, usize, Digest)>,
}

/// A key that somebody seals with.
#[derive(Debug)]
pub(crate) struct Key {
    file: SealKeyFile,
    public: PublicKey,
}

impl Key {
    /// A new one.
    pub(crate) fn make() -> anyhow::Result<Self> {
        let file = SealKeyFile::generate(SealAlgorithm::Ed25519)?;
        let public = PublicKey::from_spki(&file.public_spki_der())?;
        Ok(Self { file, public })
    }
}

impl Signer for Key {
    fn key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.file
            .sign(message)
            .map_err(|error| SignError(error.to_string()))
    }
}

fn part(text: &str) -> anyhow::Result<Part> {
    Ok(Part::parse(text)?)
}

impl Country {
    /// With exactly so many agreements in force.
    pub(super) fn build(agreements: usize) -> anyhow::Result<Self> {
        let mut count = 2;
        while count * (count - 1) < agreements {
            count += 1;
        }
        let mut country = Self {
            registry: Registry::empty(),
            index: 0,
            agencies: Vec::new(),
            agreed: Vec::new(),
        };
        country.begin(count)?;
        let mut pairs = Vec::with_capacity(agreements);
        for provider in 0..count {
            pairs.extend(
                (0..count)
                    .filter(|consumer| *consumer != provider)
                    .map(|consumer| (consumer, provider)),
            );
        }
        pairs.truncate(agreements);
        country.agree(&pairs)?;
        Ok(country)
    }

    pub(super) fn agencies(&self) -> usize {
        self.agencies.len()
    }

    pub(super) fn acts(&self) -> u64 {
        self.index
    }

    pub(super) fn into_registry(self) -> Registry {
        self.registry
    }

    /// So many requests that are agreed on, in a random order that is the same in each run.
    pub(super) fn requests(&self, count: usize) -> Vec<RequestHeader> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut requests = Vec::with_capacity(count);
        while requests.len() < count {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let place = (state >> 33) as usize % self.agreed.len();
            let (consumer, provider, agreement) = self.agreed[place];
            let name = |text| Part::parse(text).ok();
            let question = || -> Option<Question> {
                Some(Question {
                    consumer: self.agencies[consumer].0.system(&name("desk")?),
                    service: self.agencies[provider]
                        .0
                        .system(&name("registry")?)
                        .service(&name("persons.v1")?),
                    operation: name("lookup")?,
                    purpose: name("takaful")?,
                    fields: vec![name("income")?, name("name_ar")?],
                })
            };
            if let Some(question) = question() {
                requests.push(RequestHeader {
                    agreement: Some(agreement),
                    ..question.request(&self.registry)
                });
            }
        }
        requests
    }

    fn fold(&mut self, kind: Kind, header: &Bytes, seal: &Seal) -> anyhow::Result<()> {
        self.registry.apply_act(Act {
            index: self.index,
            recorded_at_ms: NOW_MS,
            kind,
            facts: &[],
            header,
            seal: Some(seal),
        })?;
        self.index += 1;
        Ok(())
    }

    fn begin(&mut self, count: usize) -> anyhow::Result<()> {
        let (log, operator) = (Key::make()?, Key::make()?);
        let genesis = Genesis {
            origin: ORIGIN.to_owned(),
            log_key: log.public.clone(),
            instance: part("EG")?,
            trust_domain: "switch.example".to_owned(),
            authority_root: Digest::of(b"root"),
            operators: vec![Operator {
                name: part("nour")?,
                key: operator.public.clone(),
            }],
            created_at_ms: NOW_MS,
            purposes: vec![Purpose::plain(part("takaful")?)],
        };
        let header = genesis.encode();
        let entry = Entry::new(
            Draft {
                kind: Kind::Genesis,
                facts: Bytes::new(),
                seal: Some(Seal::one(label::GENESIS, ORIGIN, &header, &log)?),
                header,
            },
            Stamp {
                recorded_at_us: NOW_MS * 1_000,
                broker: 1,
                registry_size: 0,
                registry_root: Digest::default(),
            },
        );
        self.registry.apply(0, &entry)?;
        self.index = 1;
        for number in 0..count {
            self.join(number, &operator)?;
        }
        Ok(())
    }

    fn join(&mut self, number: usize, operator: &Key) -> anyhow::Result<()> {
        let agency = AgencyId::parse(&format!("EG/GOV/A{number}"))?;
        let authority = Key::make()?;
        let token = Digest::of(agency.as_str().as_bytes());
        let invitation = Invitation {
            agency: agency.clone(),
            token,
            expires_at_ms: NOW_MS + 1,
            issued_at_ms: NOW_MS,
            authority_kid: None,
        }
        .encode();
        let seal = Seal::one(label::OPERATOR, ORIGIN, &invitation, operator)?;
        self.fold(Kind::Invitation, &invitation, &seal)?;
        let enrolment = AgencyEnrolment {
            agency: agency.clone(),
            name_ar: "جهة".to_owned(),
            name_en: "Agency".to_owned(),
            authority_key: authority.public.clone(),
            token,
            issued_at_ms: NOW_MS,
            genesis: self.registry.genesis_sha256(),
        }
        .encode();
        let seal = Seal::one(label::AUTHORITY, ORIGIN, &enrolment, &authority)?;
        self.fold(Kind::Agency, &enrolment, &seal)?;
        self.agencies.push((agency, authority));
        Ok(())
    }

    /// Providers propose, consumers accept.
    fn agree(&mut self, pairs: &[(usize, usize)]) -> anyhow::Result<()> {
        let mut accepting: Vec<Vec<AgreementAct>> = Vec::new();
        accepting.resize_with(self.agencies.len(), Vec::new);
        let mut proposing = accepting.clone();
        for (number, (consumer, provider)) in pairs.iter().enumerate() {
            let content = self.content(number as u64, *consumer, *provider)?;
            let agreement = content.id();
            let proposal = AgreementAct {
                step: Step::Propose,
                agreement,
                previous: None,
                agency: self.agencies[*provider].0.clone(),
                issued_at_ms: NOW_MS,
                content: content.encode(),
            };
            accepting[*consumer].push(AgreementAct {
                step: Step::Accept,
                agreement,
                previous: Some(proposal.id()),
                agency: self.agencies[*consumer].0.clone(),
                issued_at_ms: NOW_MS,
                content: Bytes::new(),
            });
            proposing[*provider].push(proposal);
            self.agreed.push((*consumer, *provider, agreement));
        }
        for acts in [proposing, accepting] {
            for (agency, acts) in acts.iter().enumerate() {
                self.seal_and_fold(agency, acts)?;
            }
        }
        Ok(())
    }

    fn seal_and_fold(&mut self, agency: usize, acts: &[AgreementAct]) -> anyhow::Result<()> {
        for together in acts.chunks(SEAL_SIZE_MAX as usize) {
            let headers: Vec<Bytes> = together.iter().map(AgreementAct::encode).collect();
            let bytes: Vec<&[u8]> = headers.iter().map(|header| &header[..]).collect();
            let signer = &self.agencies[agency].1;
            let seals = Seal::batch(label::ACT, ORIGIN, &bytes, signer)?;
            for (header, seal) in headers.iter().zip(&seals) {
                self.fold(Kind::AgreementAct, header, seal)?;
            }
        }
        Ok(())
    }

    fn content(
        &self,
        number: u64,
        consumer: usize,
        provider: usize,
    ) -> anyhow::Result<AgreementContent> {
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&number.to_be_bytes());
        let agency = |at: usize| self.agencies.get(at).map(|(agency, _)| agency.clone());
        let provider = agency(provider).ok_or_else(|| anyhow!("no such agency"))?;
        let consumer = agency(consumer).ok_or_else(|| anyhow!("no such agency"))?;
        let fields = FIELDS.iter().map(|field| part(field));
        Ok(AgreementContent {
            nonce,
            origin: ORIGIN.to_owned(),
            consumer: ConsumerScope::Agency(consumer),
            grants: vec![Grant {
                system: provider.system(&part("registry")?),
                service: part("persons.v1")?,
                operations: vec![part("lookup")?, part("search")?],
                purposes: vec![part("takaful")?],
                fields: fields.collect::<anyhow::Result<_>>()?,
                legal_basis: "Law 151/2020".to_owned(),
                daily_quota: 10_000,
                retention_days: 30,
                rate_per_s: 0,
                row_scope: Vec::new(),
                delegation_depth: 0,
                licence: String::new(),
                sensitivity: None,
            }],
            provider,
            not_before_ms: NOW_MS,
            not_after_ms: NOW_MS + 1_000,
            supersedes: None,
        })
    }
}
