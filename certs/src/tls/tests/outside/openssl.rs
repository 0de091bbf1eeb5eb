//! An outside authority that is none of our own making.

use std::path::Path;
use std::process::Command;

use super::*;

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
