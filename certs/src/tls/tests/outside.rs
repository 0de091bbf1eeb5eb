//! An outside authority: what it may say, what it may not, and that it takes nothing away from our own.

use std::path::Path;
use std::process::Command;

use rcgen::{BasicConstraints, DnType, IsCa, PublicKeyData};

use super::*;
use crate::tls::outside::OutsideRootError;

/// A national authority, as the switch's operator was given its root.
struct Outside {
    params: CertificateParams,
    key: KeyPair,
    root: CertificateDer<'static>,
}

impl Outside {
    fn new() -> Self {
        Self::of(&rcgen::PKCS_ECDSA_P384_SHA384)
    }

    fn of(algorithm: &'static rcgen::SignatureAlgorithm) -> Self {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let params = ca_params("National root");
        let root = params.self_signed(&key).unwrap().der().clone();
        Self { params, key, root }
    }

    /// A leaf of a system, changed as told, with a key of `algorithm`.
    fn leaf(
        &self,
        algorithm: &'static rcgen::SignatureAlgorithm,
        change: impl Fn(&mut CertificateParams),
    ) -> ReloadableIdentity {
        let key = KeyPair::generate_for(algorithm).unwrap();
        shown(vec![self.signed(&key, change)], &key)
    }

    fn signed(
        &self,
        key: &impl PublicKeyData,
        change: impl Fn(&mut CertificateParams),
    ) -> CertificateDer<'static> {
        let mut params = system_params();
        change(&mut params);
        let issuer = Issuer::from_params(&self.params, &self.key);
        params.signed_by(key, &issuer).unwrap().der().clone()
    }

    fn named(&self, name: &str) -> ReloadableIdentity {
        self.leaf(&rcgen::PKCS_ECDSA_P256_SHA256, |params| {
            params.subject_alt_names = vec![uri(name)];
        })
    }
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    params
}

/// A public key of 1024 bits that nobody has the other half of.
struct ShortRsa(Vec<u8>);

impl ShortRsa {
    fn new() -> Self {
        let modulus = [0xc3; 128];
        Self(yasna::construct_der(|writer| {
            writer.write_sequence(|writer| {
                writer.next().write_bigint_bytes(&modulus, true);
                writer.next().write_u32(65_537);
            });
        }))
    }
}

impl PublicKeyData for ShortRsa {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_RSA_SHA256
    }
}

impl World {
    fn server_believing(&self, outside: &[&Outside]) -> Arc<ServerConfig> {
        self.server_with(outside.iter().map(|authority| authority.root.clone()), NOW)
    }

    fn server_with(
        &self,
        roots: impl Iterator<Item = CertificateDer<'static>>,
        now: OffsetDateTime,
    ) -> Arc<ServerConfig> {
        let roots: Vec<_> = roots.collect();
        let trust = self.trust().with_outside_roots(&roots).unwrap();
        server_config(&self.broker("one"), &trust, fixed_time(now)).unwrap()
    }

    /// What the server says to a client that shows `client`.
    fn told(
        &self,
        client: &ReloadableIdentity,
        server: &Arc<ServerConfig>,
    ) -> Result<String, Error> {
        match shake(&self.client_at(client, NOW), server, "localhost") {
            Ok((_, server)) => {
                let leaf = &server.peer_certificates().unwrap()[0];
                let domain = self.authority.trust_domain();
                Ok(PeerIdentity::from_certificate(leaf, domain).unwrap().uri)
            }
            refused => Err(server_says(refused)),
        }
    }
}

#[test]
fn an_outside_authority_says_who_a_system_is() {
    let world = World::new();
    let (one, two) = (Outside::new(), Outside::of(&rcgen::PKCS_RSA_SHA256));
    let server = world.server_believing(&[&one, &two]);
    for authority in [&one, &two] {
        for algorithm in [
            &rcgen::PKCS_ECDSA_P256_SHA256,
            &rcgen::PKCS_ECDSA_P384_SHA384,
            &rcgen::PKCS_ED25519,
            &rcgen::PKCS_RSA_SHA256,
        ] {
            let client = authority.leaf(algorithm, |_| {});
            assert_eq!(world.told(&client, &server).unwrap(), URI, "{algorithm:?}");
        }
    }
    // And its own are believed as before, people too.
    assert_eq!(world.told(&world.system(), &server).unwrap(), URI);
    let operator = world.forged("agencies", |params| {
        params.subject_alt_names = vec![uri("spiffe://switch.gov.eg/operator/amal")];
    });
    assert!(world.told(&operator, &server).is_ok());
}

#[test]
fn an_authority_in_between_is_part_of_the_chain() {
    let (world, outside) = (World::new(), Outside::new());
    let (middle, leaf) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let params = ca_params("National systems");
    let issuer = Issuer::from_params(&outside.params, &outside.key);
    let between = params.signed_by(&middle, &issuer).unwrap().der().clone();
    let signed = system_params()
        .signed_by(&leaf, &Issuer::from_params(&params, &middle))
        .unwrap();
    let server = world.server_believing(&[&outside]);
    let client = shown(vec![signed.der().clone(), between], &leaf);
    assert_eq!(world.told(&client, &server).unwrap(), URI);
    let client = shown(vec![signed.der().clone()], &leaf);
    let refused = certificate(world.told(&client, &server).unwrap_err());
    assert_eq!(refused, CertificateError::UnknownIssuer);
}

#[test]
fn it_names_no_person_and_no_broker() {
    let (world, outside) = (World::new(), Outside::new());
    let server = world.server_believing(&[&outside]);
    for person in PEOPLE {
        let found = format!("spiffe://switch.gov.eg/{person}");
        let refused = world.told(&outside.named(&found), &server).unwrap_err();
        assert_eq!(refusal(&refused), PeerRefusal::Outside { found });
    }
    let broker = outside.leaf(&rcgen::PKCS_ECDSA_P256_SHA256, |params| {
        *params = broker_params();
        params.extended_key_usages = vec![Purpose::ClientAuth];
    });
    let refused = world.told(&broker, &server).unwrap_err();
    assert_eq!(refusal(&refused), PeerRefusal::Peer(PeerError::Purpose));
    let broker = outside.leaf(&rcgen::PKCS_ECDSA_P256_SHA256, |params| {
        *params = broker_params();
    });
    let refused = certificate(world.told(&broker, &server).unwrap_err());
    assert!(
        matches!(refused, CertificateError::InvalidPurposeContext { .. }),
        "{refused:?}"
    );
}

#[test]
fn it_makes_no_broker_that_an_adapter_believes() {
    let (world, outside) = (World::new(), Outside::new());
    let roots = [outside.root.clone()];
    let trust = world.trust().with_outside_roots(&roots).unwrap();
    let client = client_config(&world.system(), &trust, BROKER, fixed_time(NOW)).unwrap();
    let broker = outside.leaf(&rcgen::PKCS_ECDSA_P256_SHA256, |params| {
        *params = broker_params();
    });
    let server = world.server_at(&broker, NOW);
    let refused = certificate(client_says(shake(&client, &server, "localhost")));
    assert_eq!(refused, CertificateError::UnknownIssuer);
}

#[test]
fn its_leaves_carry_one_spiffe_name_of_this_switch_and_one_purpose() {
    let (world, outside) = (World::new(), Outside::new());
    let server = world.server_believing(&[&outside]);
    let told = |change: &dyn Fn(&mut CertificateParams)| {
        let client = outside.leaf(&rcgen::PKCS_ECDSA_P256_SHA256, change);
        refusal(&world.told(&client, &server).unwrap_err())
    };
    let dns = SanType::DnsName("takaful.moss.gov.eg".try_into().unwrap());
    let none = PeerRefusal::Peer(PeerError::NoUri);
    assert_eq!(told(&|params| params.subject_alt_names.clear()), none);
    assert_eq!(
        told(&|params| params.subject_alt_names = vec![dns.clone()]),
        none
    );
    assert_eq!(
        told(&|params| params.subject_alt_names.push(uri(URI))),
        PeerRefusal::Peer(PeerError::SeveralUris)
    );
    let foreign = "spiffe://other.gov.eg/EG/GOV/MOSS/takaful";
    assert_eq!(
        told(&|params| params.subject_alt_names = vec![uri(foreign)]),
        PeerRefusal::Peer(PeerError::TrustDomain {
            found: "other.gov.eg".into()
        })
    );
    for purposes in [vec![], vec![Purpose::ClientAuth, Purpose::ServerAuth]] {
        assert_eq!(
            told(&|params| params.extended_key_usages.clone_from(&purposes)),
            PeerRefusal::Peer(PeerError::Purpose)
        );
    }
    // A DNS name beside the SPIFFE name harms nobody: an outside authority may have rules of its own.
    let both = outside.leaf(&rcgen::PKCS_ECDSA_P256_SHA256, |params| {
        params.subject_alt_names.push(dns.clone());
    });
    assert_eq!(world.told(&both, &server).unwrap(), URI);
}

#[test]
fn who_is_not_believed_stays_unknown() {
    let (world, believed, other) = (World::new(), Outside::new(), Outside::new());
    let leaf = |authority: &Outside| authority.leaf(&rcgen::PKCS_ECDSA_P256_SHA256, |_| {});
    let refused = |server: &Arc<ServerConfig>, authority: &Outside| {
        certificate(world.told(&leaf(authority), server).unwrap_err())
    };
    assert_eq!(
        refused(&world.server(), &believed),
        CertificateError::UnknownIssuer
    );
    assert_eq!(
        refused(&world.server_believing(&[]), &believed),
        CertificateError::UnknownIssuer
    );
    // The same name with another key.
    assert_eq!(
        refused(&world.server_believing(&[&believed]), &other),
        CertificateError::BadSignature
    );
    let late = world.server_with([believed.root.clone()].into_iter(), NOW + Duration::days(2));
    assert!(matches!(
        refused(&late, &believed),
        CertificateError::ExpiredContext { .. }
    ));
    // Our own that has ended is told so, whatever else is believed.
    let late = world.server_with([believed.root.clone()].into_iter(), NOW + Duration::days(8));
    let ended = certificate(world.told(&world.system(), &late).unwrap_err());
    assert!(
        matches!(ended, CertificateError::ExpiredContext { .. }),
        "{ended:?}"
    );
}

#[test]
fn rsa_of_1024_bits_is_refused_in_leaf_and_root() {
    let (world, outside) = (World::new(), Outside::new());
    let server = world.server_believing(&[&outside]);
    let short = ShortRsa::new();
    let liar = shown(
        vec![outside.signed(&short, |_| {})],
        &KeyPair::generate().unwrap(),
    );
    let refused = world.told(&liar, &server).unwrap_err();
    assert_eq!(refusal(&refused), PeerRefusal::WeakKey { bits: 1_024 });
    let root = outside.signed(&short, |params| *params = ca_params("Weak root"));
    let refused = world.trust().with_outside_roots(&[root]).unwrap_err();
    let weak = OutsideRootError::WeakKey { bits: 1_024 };
    assert!(
        matches!(&refused, TlsError::OutsideRoot { number: 1, why } if *why == weak),
        "{refused}"
    );
}

#[test]
fn roots_are_judged_before_they_are_believed() {
    let (world, outside) = (World::new(), Outside::new());
    let key = KeyPair::generate().unwrap();
    let torn = CertificateDer::from(outside.root[..60].to_vec());
    let longer = CertificateDer::from([&outside.root[..], &[0]].concat());
    let leaf = outside.signed(&key, |_| {});
    for (bad, why) in [
        (torn, OutsideRootError::Malformed),
        (longer, OutsideRootError::Malformed),
        (CertificateDer::from(vec![]), OutsideRootError::Malformed),
        (leaf, OutsideRootError::NotAnAuthority),
        (world.authority.root().clone(), OutsideRootError::Ours),
    ] {
        let roots = [outside.root.clone(), bad];
        let refused = world.trust().with_outside_roots(&roots).unwrap_err();
        assert!(
            matches!(&refused, TlsError::OutsideRoot { number: 2, why: found } if *found == why),
            "{refused}"
        );
    }
    let many = vec![outside.root.clone(); OUTSIDE_ROOTS_MAX + 1];
    let refused = world.trust().with_outside_roots(&many);
    assert!(matches!(refused, Err(TlsError::OutsideRoots)));
    assert!(
        world.trust().with_outside_roots(&many[1..]).is_ok(),
        "the control"
    );
}

#[test]
fn an_outside_authority_below_our_own_root_s_name_gains_nothing() {
    // It calls itself what our intermediate is called, so the chain looks like ours until a signature is verified.
    let world = World::new();
    let agencies = std::fs::read(world.dir.path().join("agencies.pem")).unwrap();
    let agencies = pem::decode_chain(&agencies).unwrap().remove(0);
    let key = KeyPair::generate().unwrap();
    let issuer = Issuer::from_ca_cert_der(&agencies, &key).unwrap();
    let mut params = system_params();
    params.subject_alt_names = vec![uri("spiffe://switch.gov.eg/operator/amal")];
    let leaf_key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&leaf_key, &issuer).unwrap().der().clone();
    let mut named = ca_params("x");
    named.distinguished_name = rcgen::DistinguishedName::new();
    named
        .distinguished_name
        .push(DnType::OrganizationName, "switch.gov.eg");
    named
        .distinguished_name
        .push(DnType::CommonName, "Mohawel agencies");
    let root = named.self_signed(&key).unwrap().der().clone();
    let server = world.server_with([root].into_iter(), NOW);
    let found = "spiffe://switch.gov.eg/operator/amal".to_owned();
    for chain in [vec![leaf.clone()], vec![leaf, agencies]] {
        let refused = world.told(&shown(chain, &leaf_key), &server).unwrap_err();
        assert_eq!(
            refusal(&refused),
            PeerRefusal::Outside {
                found: found.clone()
            }
        );
    }
}

/// Runs openssl, or says that this machine has none that does it.
fn openssl(dir: &Path, arguments: &str) -> Option<()> {
    let mut run = Command::new("openssl");
    let done = run.args(arguments.split(' ')).current_dir(dir).output();
    done.is_ok_and(|done| done.status.success()).then_some(())
}

/// A chain that openssl made: a root, an authority of `middle` bits below it, and a leaf of `leaf` bits.
fn of_openssl(dir: &Path, middle: u16, leaf: u16) -> Option<()> {
    let authority = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n";
    let system = format!("subjectAltName=URI:{URI}\nextendedKeyUsage=clientAuth\n");
    std::fs::write(dir.join("authority.cnf"), authority).unwrap();
    std::fs::write(dir.join("system.cnf"), system).unwrap();
    let begin = |name: &str, bits| {
        openssl(
            dir,
            &format!(
                "req -new -newkey rsa:{bits} -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"
            ),
        )
    };
    let sign = |name: &str, by: &str, extensions: &str| {
        let by = match by {
            "" => format!("-signkey {name}.key"),
            by => format!("-CA {by}.pem -CAkey {by}.key -CAcreateserial"),
        };
        openssl(
            dir,
            &format!(
                "x509 -req -in {name}.csr -days 2 -sha256 {by} -extfile {extensions}.cnf -out {name}.pem"
            ),
        )
    };
    begin("root", 2_048)?;
    begin("middle", middle)?;
    begin("leaf", leaf)?;
    sign("root", "", "authority")?;
    sign("middle", "root", "authority")?;
    sign("leaf", "middle", "system")
}

#[test]
fn what_openssl_issues_is_believed_with_2048_bits_everywhere_and_not_with_1024_in_between() {
    let world = World::new();
    for (middle, good) in [(2_048, true), (1_024, false)] {
        let dir = tempfile::tempdir().unwrap();
        if of_openssl(dir.path(), middle, 2_048).is_none() {
            return;
        }
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        let chain = format!("{}{}", read("leaf.pem"), read("middle.pem"));
        let key = dir.path().join("leaf.key");
        let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&key, owner_only).unwrap();
        let key = TlsKey::load(&key).unwrap();
        let client = ReloadableIdentity::new(Identity::from_pem(&chain, &key).unwrap());
        let root = pem::decode_chain(read("root.pem").as_bytes()).unwrap();
        // openssl takes this machine's clock.
        let server = world.server_with(root.into_iter(), OffsetDateTime::now_utc());
        let told = world.told(&client, &server);
        assert_eq!(told.is_ok(), good, "{middle}: {told:?}");
    }
}
