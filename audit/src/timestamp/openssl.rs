//! For tests: a certificate authority and time-stamp authorities made and run by `openssl`, so that what is verified
//! here was not written here.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::{Request, Roots, response};

/// Runs `openssl ARGUMENTS` in `dir`; its output, or what it said against it.
pub(crate) fn openssl(dir: &Path, arguments: &str) -> Result<Vec<u8>, String> {
    let ran = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(dir)
        .env("OPENSSL_CONF", "openssl.cnf")
        .stdin(Stdio::null())
        .output()
        .expect("this test needs the program openssl");
    if ran.status.success() {
        Ok(ran.stdout)
    } else {
        let said = String::from_utf8_lossy(&ran.stderr);
        Err(format!("openssl {arguments}: {said}"))
    }
}

const CONFIGURATION: &str = "\
[req]
distinguished_name = dn
[dn]
[ca]
default_ca = issue
[issue]
database = index.txt
serial = serial.txt
new_certs_dir = .
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
[between]
basicConstraints = critical,CA:TRUE
[stamps]
extendedKeyUsage = critical,timeStamping
subjectKeyIdentifier = hash
[relaxed]
extendedKeyUsage = timeStamping
[both]
extendedKeyUsage = critical,timeStamping,codeSigning
[nothing]
subjectKeyIdentifier = hash
[agrees]
extendedKeyUsage = critical,timeStamping
keyUsage = keyAgreement
[tsa]
default_tsa = reply
[reply]
serial = tokens.txt
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1, millisecs:500
clock_precision_digits = 3
";

/// A folder with a root, what it issued, and the authorities that stamp.
#[derive(Debug)]
pub(crate) struct World(pub(crate) TempDir);

impl World {
    /// With the root `root`.
    pub(crate) fn new() -> Self {
        let world = Self(tempfile::tempdir().unwrap());
        for (name, text) in [
            ("openssl.cnf", CONFIGURATION),
            ("index.txt", ""),
            ("serial.txt", "1000\n"),
            ("tokens.txt", "01\n"),
        ] {
            fs::write(world.0.path().join(name), text).unwrap();
        }
        world.root("root");
        world
    }

    pub(crate) fn run(&self, arguments: &str) -> Vec<u8> {
        openssl(self.0.path(), arguments).unwrap()
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.path().join(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.0.path().join(name), bytes).unwrap();
    }

    /// Makes a self-signed authority.
    pub(crate) fn root(&self, name: &str) {
        self.key(name, "rsa:2048");
        self.run(&format!(
            "req -x509 -new -key {name}.key -subj /CN={name} -days 30 -extensions root -out {name}.pem"
        ));
    }

    fn key(&self, name: &str, kind: &str) {
        let options = match kind.split_once(':') {
            Some(("rsa", bits)) => format!("RSA -pkeyopt rsa_keygen_bits:{bits}"),
            Some(("ec", curve)) => format!("EC -pkeyopt ec_paramgen_curve:{curve}"),
            _ => panic!("{kind}"),
        };
        self.run(&format!("genpkey -algorithm {options} -out {name}.key"));
    }

    /// Makes a key of `kind` and lets `issuer` certify it with these extensions.
    pub(crate) fn issue(&self, name: &str, kind: &str, issuer: &str, extensions: &str) {
        self.key(name, kind);
        self.certify(name, name, issuer, extensions, "-days 10");
    }

    /// Lets `issuer` certify the key of `key` under `name`.
    pub(crate) fn certify(
        &self,
        name: &str,
        key: &str,
        issuer: &str,
        extensions: &str,
        life: &str,
    ) {
        self.run(&format!(
            "req -new -key {key}.key -subj /CN={key} -out {name}.csr"
        ));
        self.run(&format!(
            "ca -batch -notext -in {name}.csr -cert {issuer}.pem -keyfile {issuer}.key -extensions {extensions} {life} -out {name}.pem"
        ));
    }

    pub(crate) fn roots(&self, name: &str) -> Roots {
        Roots::from_pem(&self.read(&format!("{name}.pem"))).unwrap()
    }

    /// What the authority `signer` answers; `chain` is a file of further certificates, or nothing.
    pub(crate) fn reply(&self, request: &Request, signer: &str, chain: &str) -> Vec<u8> {
        self.write("query.tsq", &request.to_der());
        let chain = if chain.is_empty() {
            String::new()
        } else {
            format!("-chain {chain}")
        };
        self.run(&format!(
            "ts -reply -queryfile query.tsq -signer {signer}.pem -inkey {signer}.key {chain} -out reply.tsr"
        ));
        self.read("reply.tsr")
    }

    /// A token over the same statement as `granted`'s, signed by hand: by whom and how `openssl ts` would refuse to.
    pub(crate) fn forge(&self, granted: &[u8], signer: &str, how: &str) -> Vec<u8> {
        self.write("info.der", response::read(granted).unwrap().content);
        self.run(&format!(
            "cms -sign -binary -nodetach -nosmimecap -md sha256 -in info.der -signer {signer}.pem -inkey {signer}.key -outform DER -out token.der {how}"
        ));
        respond(&self.read("token.der"))
    }
}

/// A response that grants `token`.
pub(crate) fn respond(token: &[u8]) -> Vec<u8> {
    let status = [0x30, 3, 2, 1, 0];
    let length = u16::try_from(status.len() + token.len()).unwrap();
    let mut response = vec![0x30, 0x82];
    response.extend_from_slice(&length.to_be_bytes());
    response.extend_from_slice(&status);
    response.extend_from_slice(token);
    response
}

/// How a well-made token is signed by hand.
pub(crate) const WELL: &str = "-econtent_type 1.2.840.113549.1.9.16.1.4 -cades";
