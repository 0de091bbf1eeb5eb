//! What operators do, people with roles, and certificates that stand in the log.

use std::sync::Arc;

use audit::receipt::Receipt;
use bytes::Bytes;
use certs::{Identity, PeerName, TlsKey, request, tls};
use proto::act::PersonRole;
use proto::act::{AgencyAct, AgencyDeed, Approval, KeyBinding, OperatorAct, OperatorDeed};
use proto::digest::Digest;
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::facts::{IssuedCertificate, RegistryFacts};
use proto::id::SystemId;
use proto::key::Signer;
use proto::limits::label;
use proto::seal::Seal;
use proto::wire::registry::v1 as wire;
use proto::wire::registry::v1::enrolment_client::EnrolmentClient;
use proto::wire::registry::v1::operations_client::OperationsClient;
use rustls::ClientConfig;
use time::Duration;
use tonic::Status;

use crate::agency::TestAgency;
use crate::agreements::part;
use crate::channel::channel;
use crate::ground::{OPERATOR, ORIGIN, TRUST_DOMAIN, identity, loose_signer, now, time_of};
use crate::switch::TestSwitch;

/// A person with a role, and everything that the person holds.
#[derive(Clone, Debug)]
pub struct Person {
    /// The name in the certificate.
    pub name: String,
    /// What the person seals with; of use to operators and approvers only.
    pub signer: Arc<dyn Signer>,
    /// The person's end of a connection.
    pub tls: Arc<ClientConfig>,
}

impl TestSwitch {
    /// The operator of the genesis.
    pub fn operator(&self) -> Person {
        Person {
            name: OPERATOR.to_owned(),
            signer: self.ground().operator_signer(),
            tls: self.ground().operator_tls(),
        }
    }

    /// Gives `name` a role, with a key where the role seals.
    pub async fn person(&self, role: PersonRole, name: &str) -> Person {
        let signer = loose_signer();
        let deed = OperatorDeed::SetRole {
            role,
            name: part(name),
            key: role.seals().then(|| signer.key().clone()),
            ended: false,
        };
        self.operate(&self.operator(), deed).await.unwrap();
        Person {
            name: name.to_owned(),
            signer,
            tls: self.person_tls(&format!("{role}/{name}")),
        }
    }

    /// Takes a role from `person`; `by` does it.
    pub async fn dismiss(&self, by: &Person, role: PersonRole, person: &Person) {
        let deed = OperatorDeed::SetRole {
            role,
            name: part(&person.name),
            key: role.seals().then(|| person.signer.key().clone()),
            ended: true,
        };
        self.operate(by, deed).await.unwrap();
    }

    /// TLS as `path`, for example `auditor/omar`, whether or not the registry knows such a person.
    pub fn person_tls(&self, path: &str) -> Arc<ClientConfig> {
        let (authority, at) = (self.ground().authority(), now(self.clock()));
        let name: PeerName = format!("spiffe://{TRUST_DOMAIN}/{path}").parse().unwrap();
        let identity = identity(|request| {
            let issued = authority.issue_person(request, &name, certs::authority::LEAF_LIFE, at);
            issued.unwrap().chain_pem
        });
        self.ground().client_tls(&identity)
    }

    /// `by` does this, over the person's own connection.
    ///
    /// # Errors
    /// What the switch says.
    pub async fn operate(&self, by: &Person, deed: OperatorDeed) -> Result<Receipt, Status> {
        let act = OperatorAct {
            operator: part(&by.name),
            issued_at_ms: self.now_ms(),
            deed,
        };
        self.operate_as(by, Kind::OperatorAct, act.encode()).await
    }

    /// `by` approves the act with this id.
    ///
    /// # Errors
    /// What the switch says.
    pub async fn approve(&self, by: &Person, act: Digest) -> Result<Receipt, Status> {
        let approval = Approval {
            operator: part(&by.name),
            issued_at_ms: self.now_ms(),
            act,
            rejected: false,
            reason: String::new(),
        };
        self.operate_as(by, Kind::Approval, approval.encode()).await
    }

    /// Seals `header` with the key of `by` and brings it over the connection of `by`.
    ///
    /// # Errors
    /// What the switch says.
    pub async fn operate_as(
        &self,
        by: &Person,
        kind: Kind,
        header: Bytes,
    ) -> Result<Receipt, Status> {
        self.operate_under(by, kind, label::OPERATOR, header).await
    }

    /// As [`TestSwitch::operate_as`], for a kind that is sealed under another label.
    ///
    /// # Errors
    /// What the switch says.
    pub async fn operate_under(
        &self,
        by: &Person,
        kind: Kind,
        label: &str,
        header: Bytes,
    ) -> Result<Receipt, Status> {
        let seal = Seal::one(label, ORIGIN, &header, &*by.signer).unwrap();
        let channel = channel(self.exchange(), Arc::clone(&by.tls)).await.unwrap();
        let request = wire::OperateRequest {
            kind: u32::from(kind as u8),
            envelope: Some(Envelope::bare(header, seal).to_wire()),
        };
        let response = OperationsClient::new(channel).operate(request).await?;
        Ok(Receipt::from_wire(response.into_inner().receipt.unwrap()).unwrap())
    }

    /// A certificate of `system` that stands in the log, for `life`.
    pub async fn certificate(&self, system: &SystemId, life: Duration) -> Identity {
        let (authority, at) = (self.ground().authority(), now(self.clock()));
        let uri = format!("spiffe://{TRUST_DOMAIN}/{system}");
        let identity = identity(|request| {
            let issued = authority.issue_agency(request, &uri, life, at).unwrap();
            issued.chain_pem
        });
        let certificate = IssuedCertificate {
            uri,
            sha256: Digest::of(&identity.chain()[0]).0.to_vec().into(),
            serial: vec![1].into(),
            not_before: self.now_ms() / 1_000,
            not_after: u64::try_from(identity.not_after().unix_timestamp()).unwrap(),
            key_sha256: Bytes::new(),
        };
        let facts = RegistryFacts {
            peer_sha256: Bytes::new(),
            certificate: Some(certificate),
        };
        let registry = self.switch().registry();
        registry
            .submit(Kind::Certificate, facts, Bytes::new(), None)
            .await
            .unwrap();
        identity
    }

    /// Somebody at the enrolment door who has pinned the root.
    pub async fn newcomer(&self) -> EnrolmentClient<tonic::transport::Channel> {
        let root = self.ground().authority().root_sha256();
        let tls = tls::enrolment_client_config(root, time_of(self.clock())).unwrap();
        EnrolmentClient::new(channel(self.enrol(), tls).await.unwrap())
    }
}

impl TestAgency {
    /// Does this to itself.
    ///
    /// # Errors
    /// What the switch says.
    pub async fn does(&self, switch: &TestSwitch, deed: AgencyDeed) -> Result<Receipt, Status> {
        let header = self.act_on_itself(switch, deed);
        self.submit(switch, Kind::AgencyAct, label::AUTHORITY, header)
            .await
    }

    fn act_on_itself(&self, switch: &TestSwitch, deed: AgencyDeed) -> Bytes {
        let act = AgencyAct {
            agency: self.agency(),
            issued_at_ms: switch.now_ms(),
            deed,
        };
        act.encode()
    }

    /// An administrator of this agency, who joined by the enrolment door.
    pub async fn administrator(&self, switch: &TestSwitch, name: &str) -> Arc<ClientConfig> {
        let deed = AgencyDeed::Administrator {
            name: part(name),
            ended: false,
        };
        let header = self.act_on_itself(switch, deed);
        let identity = self.joins(switch, Kind::AgencyAct, header).await;
        switch.ground().client_tls(&identity)
    }

    /// A further system of this agency: its seal key and its certificate.
    pub async fn further_system(
        &self,
        switch: &TestSwitch,
        system: &SystemId,
    ) -> (Arc<dyn Signer>, Identity) {
        let signer = loose_signer();
        let mut binding = KeyBinding {
            system: system.clone(),
            adapter: part("a1"),
            key: signer.key().clone(),
            issued_at_ms: switch.now_ms(),
            possession: Bytes::new(),
        };
        let proof = Seal::one(
            label::POSSESSION,
            ORIGIN,
            &binding.possession_bytes(),
            &*signer,
        );
        binding.possession = proof.unwrap().cose;
        let identity = self.joins(switch, Kind::KeyBound, binding.encode()).await;
        (signer, identity)
    }

    async fn joins(&self, switch: &TestSwitch, kind: Kind, header: Bytes) -> Identity {
        let key = TlsKey::generate().unwrap();
        let seal = Seal::one(label::AUTHORITY, ORIGIN, &header, &*self.authority_signer());
        let request = wire::JoinRequest {
            kind: u32::from(kind as u8),
            act: Some(Envelope::bare(header, seal.unwrap()).to_wire()),
            certificate_request: request::make(&key).unwrap().into(),
        };
        let joined = switch.newcomer().await.join(request).await.unwrap();
        let chain = joined.into_inner().certificate_chain;
        Identity::from_pem(std::str::from_utf8(&chain).unwrap(), &key).unwrap()
    }
}
