//! Many agencies and systems at once: written into a new switch's log before it starts, as it would have recorded them.
//!
//! Enrolling over the door is rated (ten a second), which is right for newcomers and too slow for ten thousand. So the
//! acts are made here: sealed by the operator's, the agencies' and the systems' own keys, appended by the log itself.
//! The switch, every adapter and every replay fold them like any others; a false one would end the run. Each system gets
//! a real home, so what connects is what an adapter connects with.

use std::future::{Future as _, poll_fn};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::Poll;

use adapters::config::{Config, Switch};
use adapters::identity::FileSigner;
use anyhow::Context as _;
use audit::log::{self, Log};
use bytes::Bytes;
use certs::authority::LEAF_LIFE;
use certs::{Authority, TlsKey, request};
use cli::commands::operator;
use cli::commands::switch_dir::SwitchDir;
use proto::act::{AgencyEnrolment, Invitation, KeyBinding, Operation, ServiceDefinition};
use proto::digest::Digest;
use proto::entry::{Draft, Kind};
use proto::facts::{self, IssuedCertificate, RegistryFacts};
use proto::id::{AgencyId, Part, SystemId};
use proto::key::Signer;
use proto::limits::label;
use proto::seal::Seal;
use time::OffsetDateTime;

mod agreeing;
mod asking;

pub(crate) use agreeing::agencies_of;
pub(crate) use asking::Asking;
use cli::bench::ours::ORIGIN;

/// Systems of one agency: fewer than the connections that a switch takes of one.
pub(crate) const SYSTEMS_EACH: usize = 50;
const DAY_MS: u64 = 86_400_000;

/// A switch's log, open for founding. The switch does not run.
pub(crate) struct Founding {
    switch: SwitchDir,
    log: Log,
    operator: FileSigner,
    authority: Authority,
    file: operator::File,
    genesis: Digest,
    now_ms: u64,
}

/// An agency that was founded.
pub(crate) struct Founded {
    pub(crate) id: AgencyId,
    authority: FileSigner,
}

impl Founding {
    /// Opens the log of the switch that `mohawel init` made in `folder`.
    pub(crate) async fn open(folder: &Path) -> anyhow::Result<Self> {
        let switch = SwitchDir::new(folder);
        let mut config = log::Config::new(&switch.log(), ORIGIN);
        config.broker = 1;
        let now_ms = config.clock.now_ms();
        let signer = FileSigner::load(&switch.log_key())?;
        let log = Log::open(config, Arc::new(signer)).await?;
        let file = std::fs::read_to_string(switch.operator().join(operator::FILE))?;
        let file: operator::File = toml::from_str(&file)?;
        Ok(Self {
            operator: FileSigner::load(&switch.operator().join(operator::SEAL_KEY))?,
            authority: Authority::open(&switch.authority())?,
            genesis: Digest::from_hex(&file.genesis_sha256).context("the genesis' digest")?,
            file,
            log,
            switch,
            now_ms,
        })
    }

    /// Closes the log, for the switch to open.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        Ok(self.log.close().await?)
    }

    async fn act(
        &self,
        kind: Kind,
        label: &str,
        header: Bytes,
        signer: &dyn Signer,
    ) -> anyhow::Result<()> {
        let seal = Seal::one(label, ORIGIN, &header, signer)?;
        let draft = draft(kind, RegistryFacts::default(), header, Some(seal));
        self.log.append(draft, None).await?;
        Ok(())
    }

    /// Invites an agency and enrols it; its authority key lies in `keys`.
    pub(crate) async fn agency(&self, id: &str, keys: &Path) -> anyhow::Result<Founded> {
        let id = AgencyId::parse(id)?;
        let name = id.as_str().replace('/', "-");
        let authority = FileSigner::load_or_make(&keys.join(format!("{name}.key")))?;
        let token = Digest::of(id.as_str().as_bytes());
        let invitation = Invitation {
            agency: id.clone(),
            token,
            expires_at_ms: self.now_ms + DAY_MS,
            issued_at_ms: self.now_ms,
            authority_kid: None,
        };
        let header = invitation.encode();
        self.act(Kind::Invitation, label::OPERATOR, header, &self.operator)
            .await?;
        let enrolment = AgencyEnrolment {
            agency: id.clone(),
            name_ar: "جهة من الجهات".to_owned(),
            name_en: format!("Agency {}", id.part(2)),
            authority_key: authority.key().clone(),
            token,
            issued_at_ms: self.now_ms,
            genesis: self.genesis,
        };
        let header = enrolment.encode();
        self.act(Kind::Agency, label::AUTHORITY, header, &authority)
            .await?;
        Ok(Founded { id, authority })
    }

    /// Binds a system's seal key, issues its certificate, and makes its home.
    pub(crate) async fn system(
        &self,
        agency: &Founded,
        name: &str,
        home: &Path,
    ) -> anyhow::Result<SystemId> {
        let (system, drafts) = self.home(agency, name, home)?;
        for draft in drafts {
            self.log.append(draft, None).await?;
        }
        Ok(system)
    }

    /// Makes a system's home; gives the entries that it needs, in order.
    fn home(
        &self,
        agency: &Founded,
        name: &str,
        home: &Path,
    ) -> anyhow::Result<(SystemId, [Draft; 2])> {
        let system = agency.id.system(&Part::parse(name)?);
        let adapter = Part::parse("a1")?;
        let config = Config::new(
            &Switch {
                exchange: self.file.exchange.clone(),
                enrol: self.file.enrol.clone(),
                broker_uri: self.file.broker_uri.clone(),
                genesis: self.genesis,
            },
            &system,
            &adapter,
        )?;
        certs::key_files::private_dir(home)?;
        let seal = FileSigner::load_or_make(&home.join(&config.files.seal_key))?;
        let mut binding = KeyBinding {
            system: system.clone(),
            adapter,
            key: seal.key().clone(),
            issued_at_ms: self.now_ms,
            possession: Bytes::new(),
        };
        let over = binding.possession_bytes();
        binding.possession = Seal::one(label::POSSESSION, ORIGIN, &over, &seal)?.cose;
        let header = binding.encode();
        let seal = Seal::one(label::AUTHORITY, ORIGIN, &header, &agency.authority)?;
        let bound = draft(Kind::KeyBound, RegistryFacts::default(), header, Some(seal));
        let tls = TlsKey::generate()?;
        let (chain, facts) = self.certificate(&system, &tls)?;
        let issued = draft(Kind::Certificate, facts, Bytes::new(), None);
        tls.save(&home.join(&config.files.tls_key))?;
        std::fs::write(home.join(&config.files.chain), chain)?;
        std::fs::write(home.join(&config.files.root), self.authority.root_pem())?;
        std::fs::copy(
            self.switch.log().join("log.vkey"),
            home.join(&config.files.log_key),
        )?;
        let settings = home.join(adapters::config::FILE_NAME);
        std::fs::write(settings, config.to_toml()?)?;
        Ok((system, [bound, issued]))
    }

    fn certificate(
        &self,
        system: &SystemId,
        tls: &TlsKey,
    ) -> anyhow::Result<(String, RegistryFacts)> {
        let uri = format!("spiffe://{}/{system}", self.authority.trust_domain());
        let request = request::make(tls)?;
        let key = request::ProvenKey::open(&request)?.public_spki_der();
        let now = OffsetDateTime::now_utc();
        let issued = self
            .authority
            .issue_agency(&request, &uri, LEAF_LIFE, now)?;
        let certificate = IssuedCertificate {
            uri,
            sha256: Bytes::copy_from_slice(&issued.sha256),
            serial: hex::decode(&issued.serial_hex)?.into(),
            not_before: issued.not_before.unix_timestamp().try_into()?,
            not_after: issued.not_after.unix_timestamp().try_into()?,
            key_sha256: Bytes::copy_from_slice(Digest::of(&key).as_bytes()),
        };
        let facts = RegistryFacts {
            peer_sha256: Bytes::new(),
            certificate: Some(certificate),
        };
        Ok((issued.chain_pem, facts))
    }

    /// `system` of `agency` offers the echo service.
    pub(crate) async fn publish(&self, agency: &Founded, system: &SystemId) -> anyhow::Result<()> {
        let definition = ServiceDefinition {
            system: system.clone(),
            service: Part::parse("echo.v1")?,
            name_ar: "صدى".to_owned(),
            name_en: "Echo".to_owned(),
            operations: vec![Operation {
                name: Part::parse("echo")?,
                name_ar: "يعيد الحمولة".to_owned(),
                name_en: "Gives the payload back".to_owned(),
                fields: Vec::new(),
                method: String::new(),
                path: String::new(),
                request_schema: Bytes::new(),
                answer_schema: Bytes::new(),
                subjects: Vec::new(),
            }],
            issued_at_ms: self.now_ms,
            owner_contact: String::new(),
            sensitivity: None,
        };
        let header = definition.encode();
        self.act(Kind::Service, label::AUTHORITY, header, &agency.authority)
            .await
    }

    /// So many systems, `each` an agency, with homes `0`, `1`, … in `homes`. Gives the agencies.
    pub(crate) async fn crowd(
        &self,
        (systems, each): (usize, usize),
        homes: &Path,
        keys: &Path,
    ) -> anyhow::Result<Vec<Founded>> {
        let mut agencies = Vec::new();
        for first in (0..systems).step_by(each) {
            let id = format!("EG/GOV/A{:04}", first / each);
            let agency = self.agency(&id, keys).await?;
            let numbers: Vec<usize> = (first..systems.min(first + each)).collect();
            self.systems(&agency, &numbers, homes).await?;
            agencies.push(agency);
        }
        Ok(agencies)
    }

    /// Binds the keys of systems of one agency, issues their certificates, and makes their homes, named by `numbers`.
    pub(crate) async fn systems(
        &self,
        agency: &Founded,
        numbers: &[usize],
        homes: &Path,
    ) -> anyhow::Result<()> {
        std::fs::create_dir_all(homes)?;
        self.append_all(self.homes_of(agency, numbers, homes)?)
            .await
    }

    /// The homes of one agency's systems, made side by side: each waits for the disk several times.
    fn homes_of(
        &self,
        agency: &Founded,
        numbers: &[usize],
        homes: &Path,
    ) -> anyhow::Result<Vec<Draft>> {
        let first = numbers.first().copied().unwrap_or(0);
        let one = |number: usize| {
            let name = format!("s{}", number - first);
            self.home(agency, &name, &home_of(homes, number))
        };
        let made: Vec<anyhow::Result<_>> = std::thread::scope(|scope| {
            let threads: Vec<_> = numbers
                .iter()
                .map(|number| scope.spawn(move || one(*number)))
                .collect();
            let joined = threads.into_iter().map(|thread| {
                let failed = |_| anyhow::anyhow!("a home could not be made");
                thread.join().map_err(failed)?
            });
            joined.collect()
        });
        let mut drafts = Vec::with_capacity(2 * numbers.len());
        for one in made {
            drafts.extend(one?.1);
        }
        Ok(drafts)
    }

    /// Appends in this order, and waits once for all of them.
    async fn append_all(&self, drafts: Vec<Draft>) -> anyhow::Result<()> {
        let mut appending: Vec<_> = drafts
            .into_iter()
            .map(|draft| Some(Box::pin(self.log.append(draft, None))))
            .collect();
        // A draft takes its place in the queue when it is first polled.
        poll_fn(|context| {
            for one in &mut appending {
                if let Some(append) = one
                    && let Poll::Ready(appended) = append.as_mut().poll(context)
                {
                    *one = None;
                    if let Err(error) = appended {
                        return Poll::Ready(Err(error));
                    }
                }
            }
            if appending.iter().all(Option::is_none) {
                Poll::Ready(Ok(()))
            } else {
                Poll::Pending
            }
        })
        .await?;
        Ok(())
    }
}

fn draft(kind: Kind, facts: RegistryFacts, header: Bytes, seal: Option<Seal>) -> Draft {
    Draft {
        kind,
        facts: facts::encode(&facts),
        header,
        seal,
    }
}

/// Where the home of one of a crowd lies.
pub(crate) fn home_of(homes: &Path, number: usize) -> PathBuf {
    homes.join(number.to_string())
}
