//! An agency that was invited and enrolled through the real door, with keys of its own in a home of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use adapters::sealed::EncryptionKeys;
use adapters::{Adapter, AuthorityPlace, EnrolOptions, Home, Provider, enrol, provider};
use audit::receipt::Receipt;
use bytes::Bytes;
use certs::{Identity, PeerIdentity};
use proto::act::EncryptionKeyBinding;
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::id::{AgencyId, SystemId};
use proto::key::Signer;
use proto::limits::label;
use proto::seal::Seal;
use proto::sealed::EncryptionKey;
use proto::wire::registry::v1 as wire;
use proto::wire::registry::v1::agencies_client::AgenciesClient;
use rustls::ClientConfig;
use tempfile::TempDir;
use tonic::Status;

use crate::PATIENCE;
use crate::channel::channel;
use crate::ground::{Ground, ORIGIN, signer};
use crate::switch::TestSwitch;

/// An enrolled agency with one system.
#[derive(Debug)]
pub struct TestAgency {
    /// Its system.
    pub system: SystemId,
    home: TempDir,
}

impl TestAgency {
    /// Invites `system`'s agency and enrols it.
    pub async fn enrol(switch: &TestSwitch, system: &str) -> Self {
        let system = SystemId::parse(system).unwrap();
        let invitation = switch
            .invite(system.agency().as_str())
            .await
            .encode()
            .unwrap();
        let home = tempfile::tempdir().unwrap();
        let options = EnrolOptions {
            home: home.path().join("home"),
            invitation,
            address: None,
            system: system.to_string(),
            adapter: "a1".to_owned(),
            name_ar: "جهة من جهات التجربة".to_owned(),
            name_en: format!("Agency {}", system.agency().part(2)),
            authority: AuthorityPlace::InHome,
            clock: switch.clock().clone(),
        };
        enrol(options).await.unwrap();
        Self { system, home }
    }

    /// The agency.
    pub fn agency(&self) -> AgencyId {
        self.system.agency()
    }

    /// The home's folder.
    pub fn home_dir(&self) -> std::path::PathBuf {
        self.home.path().join("home")
    }

    /// The home, opened.
    pub fn home(&self) -> Home {
        Home::open(self.home_dir()).unwrap()
    }

    /// Dials `exchange` from now on, where the switch came back at another port.
    pub fn point_at(&self, exchange: SocketAddr) {
        let path = self.home_dir().join("adapter.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text.lines().map(|line| {
            if line.starts_with("exchange = ") {
                format!("exchange = \"{exchange}\"\n")
            } else {
                format!("{line}\n")
            }
        });
        let text: String = lines.collect();
        std::fs::write(&path, text).unwrap();
    }

    /// A running adapter whose mirror has caught up.
    pub async fn adapter(&self, ground: &Ground) -> Adapter {
        let adapter = Adapter::start(self.home(), ground.clock.clone()).unwrap();
        adapter.ready(PATIENCE).await.unwrap();
        adapter
    }

    /// Serves `provider` by the real adapter, attached.
    pub async fn serve(&self, ground: &Ground, backend: impl Provider) -> provider::Handle {
        self.serve_with(ground, backend, provider::Options::default())
            .await
    }

    /// As [`TestAgency::serve`], with options.
    pub async fn serve_with(
        &self,
        ground: &Ground,
        backend: impl Provider,
        options: provider::Options,
    ) -> provider::Handle {
        let handle = self.adapter(ground).await.serve(backend, options).await;
        handle.attached(PATIENCE).await.unwrap();
        handle
    }

    /// The seal key.
    pub fn seal_signer(&self) -> Arc<dyn Signer> {
        self.key(Path::new("seal.key"))
    }

    /// The authority key.
    pub fn authority_signer(&self) -> Arc<dyn Signer> {
        self.key(Path::new("authority/authority.key"))
    }

    fn key(&self, name: &Path) -> Arc<dyn Signer> {
        signer(&self.home_dir().join(name))
    }

    /// Certificate and key.
    pub fn identity(&self) -> Identity {
        Identity::load(
            &self.home_dir().join("tls.pem"),
            &self.home_dir().join("tls.key"),
        )
        .unwrap()
    }

    /// SHA-256 of the certificate.
    pub fn certificate_sha256(&self) -> [u8; 32] {
        let identity = self.identity();
        PeerIdentity::from_pinned_certificate(&identity.chain()[0])
            .unwrap()
            .0
            .cert_sha256
    }

    /// TLS as this system.
    pub fn tls(&self, ground: &Ground) -> Arc<ClientConfig> {
        ground.client_tls(&self.identity())
    }

    /// Makes an encryption key in its home and binds it.
    pub async fn bind_encryption_key(&self, switch: &TestSwitch) -> EncryptionKey {
        let made = EncryptionKeys::of(&self.home_dir()).make().unwrap();
        let header = EncryptionKeyBinding {
            system: self.system.clone(),
            key: *made.key(),
            issued_at_ms: switch.now_ms(),
        };
        let kind = Kind::EncryptionKeyBound;
        self.submit(switch, kind, label::ENCRYPTION_KEY, header.encode())
            .await
            .unwrap();
        *made.key()
    }

    /// Seals `header` with the authority key and submits it.
    ///
    /// # Errors
    /// What the switch says.
    pub async fn submit(
        &self,
        switch: &TestSwitch,
        kind: Kind,
        label: &str,
        header: Bytes,
    ) -> Result<Receipt, Status> {
        let seal = Seal::one(label, ORIGIN, &header, &*self.authority_signer()).unwrap();
        let channel = channel(switch.exchange(), self.tls(switch.ground()))
            .await
            .unwrap();
        let envelope = Some(Envelope::bare(header, seal).to_wire());
        let request = wire::SubmitRequest {
            kind: u32::from(kind as u8),
            envelope,
        };
        let response = AgenciesClient::new(channel)
            .submit(request)
            .await?
            .into_inner();
        Ok(Receipt::from_wire(response.receipt.unwrap()).unwrap())
    }
}
