//! Tokens that `openssl` made are verified; whatever is wrong with one refuses it.

use super::openssl::{WELL, World, respond};
use super::*;

const NOTE: &[u8] =
    b"switch.test/log\n7\nAAAA\n\nnot even a checkpoint: any bytes can be stamped\n";

/// A world whose authority `tsa` has a certificate of `root`, and a request with its answer.
fn stamped() -> (World, Request, Vec<u8>) {
    let world = World::new();
    world.issue("tsa", "ec:P-256", "root", "stamps");
    let request = Request::new(NOTE).unwrap();
    let reply = world.reply(&request, "tsa", "");
    (world, request, reply)
}

fn now_us() -> u64 {
    crate::clock::Clock::System.now_us()
}

#[test]
fn tokens_of_openssl_are_verified_whatever_their_key() {
    let world = World::new();
    world.issue("middle", "rsa:2048", "root", "between");
    for (name, kind, issuer, chain) in [
        ("p256", "ec:P-256", "root", ""),
        ("p384", "ec:P-384", "root", ""),
        ("rsa", "rsa:2048", "root", ""),
        ("below", "rsa:3072", "middle", "middle.pem"),
    ] {
        world.issue(name, kind, issuer, "stamps");
        let before = now_us();
        let request = Request::new(NOTE).unwrap();
        let reply = world.reply(&request, name, chain);
        let time = open(&reply, &request, &world.roots("root")).unwrap();
        assert!(
            time.at_us >= before - 1_000 && time.at_us <= now_us(),
            "{time:?}"
        );
        assert_eq!(time.authority, format!("CN={name}"));
        assert_eq!(
            (time.policy.as_str(), time.accuracy_us),
            ("1.2.3.4.1", 1_500_000)
        );
        assert_eq!(verify(&reply, NOTE, &world.roots("root")), Ok(time));
        // What we keep is what openssl verifies.
        world.write("note", NOTE);
        world.write("kept.tsr", &reply);
        world.run("ts -verify -data note -in kept.tsr -CAfile root.pem");
    }
}

#[test]
fn every_way_to_sign_that_the_rules_allow_is_verified() {
    let world = World::new();
    // Both before the stamp: a certificate counts from when it was made.
    world.issue("tsa", "ec:P-256", "root", "stamps");
    world.issue("rsa", "rsa:2048", "root", "stamps");
    let reply = world.reply(&Request::new(NOTE).unwrap(), "tsa", "");
    for (signer, how) in [
        ("tsa", ""),
        ("tsa", "-md sha384"),
        ("tsa", "-keyid"),
        ("rsa", "-md sha512"),
        (
            "rsa",
            "-keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:32",
        ),
        (
            "rsa",
            "-keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:48 -md sha384",
        ),
    ] {
        let forged = world.forge(&reply, signer, &format!("{WELL} {how}"));
        let time = verify(&forged, NOTE, &world.roots("root")).unwrap();
        assert_eq!(time.authority, format!("CN={signer}"), "{how}");
    }
}

#[test]
fn an_answer_to_something_else_is_refused() {
    let (world, request, reply) = stamped();
    let roots = world.roots("root");
    let other = Request::new(NOTE).unwrap();
    assert_eq!(
        open(&reply, &other, &roots),
        Err(TimestampError::WrongNonce)
    );
    assert_eq!(
        verify(&reply, b"other bytes", &roots),
        Err(TimestampError::WrongImprint)
    );
    let other = Request {
        nonce: request.nonce,
        ..Request::new(b"other").unwrap()
    };
    assert_eq!(
        open(&reply, &other, &roots),
        Err(TimestampError::WrongImprint)
    );
    let refused = open(&[0x30, 5, 0x30, 3, 2, 1, 2], &request, &roots);
    assert!(
        matches!(refused, Err(TimestampError::Refused { status: 2, .. })),
        "{refused:?}"
    );
    // What openssl says to a question that it cannot read.
    world.write("query.tsq", b"nonsense");
    world.run("ts -reply -queryfile query.tsq -signer tsa.pem -inkey tsa.key -out bad.tsr");
    let Err(TimestampError::Refused { status: 2, text }) =
        open(&world.read("bad.tsr"), &request, &roots)
    else {
        panic!("not refused");
    };
    assert!(!text.is_empty());
}

#[test]
fn a_signer_that_no_root_stands_behind_is_refused() {
    let (world, _, reply) = stamped();
    world.root("stranger");
    let refused = verify(&reply, NOTE, &world.roots("stranger"));
    assert!(
        matches!(refused, Err(TimestampError::Chain(_))),
        "{refused:?}"
    );
    // The same name, another key.
    let imitation = World::new();
    let refused = verify(&reply, NOTE, &imitation.roots("root"));
    assert!(
        matches!(refused, Err(TimestampError::Chain(_))),
        "{refused:?}"
    );
    // The certificate between is missing.
    world.issue("middle", "rsa:2048", "root", "between");
    world.issue("below", "ec:P-256", "middle", "stamps");
    let request = Request::new(NOTE).unwrap();
    let reply = world.reply(&request, "below", "");
    let refused = open(&reply, &request, &world.roots("root"));
    assert!(
        matches!(refused, Err(TimestampError::Chain(_))),
        "{refused:?}"
    );
}

#[test]
fn a_certificate_for_something_else_or_out_of_time_is_refused() {
    let (world, _, reply) = stamped();
    let roots = world.roots("root");
    for (name, why) in [
        ("relaxed", "does not make its purpose critical"),
        ("both", "is not for time-stamping alone"),
        ("nothing", "says no purpose"),
        ("agrees", "is not for signatures"),
    ] {
        world.issue(name, "ec:P-256", "root", name);
        let forged = world.forge(&reply, name, WELL);
        assert_eq!(
            verify(&forged, NOTE, &roots),
            Err(TimestampError::NotForStamping(why))
        );
    }
    for (name, life, why) in [
        (
            "old",
            "-startdate 20200101000000Z -enddate 20210101000000Z",
            "CertExpired",
        ),
        (
            "young",
            "-startdate 20900101000000Z -enddate 20910101000000Z",
            "CertNotValidYet",
        ),
    ] {
        world.certify(name, "tsa", "root", "stamps", life);
        world.run(&format!("pkey -in tsa.key -out {name}.key"));
        let forged = world.forge(&reply, name, WELL);
        let Err(TimestampError::Chain(said)) = verify(&forged, NOTE, &roots) else {
            panic!("{name} was believed");
        };
        assert!(said.contains(why), "{said}");
    }
    // An authority may not stamp with its own certificate.
    let forged = world.forge(&reply, "root", WELL);
    assert!(verify(&forged, NOTE, &roots).is_err());
}

#[test]
fn a_token_that_does_not_bind_its_parts_is_refused() {
    let (world, _, reply) = stamped();
    let roots = world.roots("root");
    let forged = |how: &str| verify(&world.forge(&reply, "tsa", how), NOTE, &roots);
    assert_eq!(
        forged("-econtent_type 1.2.840.113549.1.9.16.1.4"),
        Err(TimestampError::Attributes("the signer's certificate"))
    );
    assert_eq!(
        forged("-cades -econtent_type 1.2.840.113549.1.9.16.1.2"),
        Err(TimestampError::Malformed("the signed content's type"))
    );
    assert_eq!(
        forged("-cades"),
        Err(TimestampError::Malformed("the signed data's version"))
    );
    assert_eq!(
        forged(&format!("{WELL} -nocerts")),
        Err(TimestampError::NoCertificate)
    );
    assert!(matches!(
        forged("-econtent_type 1.2.840.113549.1.9.16.1.4 -noattr"),
        Err(TimestampError::Malformed(_))
    ));
    assert_eq!(
        forged(&format!("{WELL} -md sha1")),
        Err(TimestampError::Unsupported(
            "the digest 1.3.14.3.2.26".into()
        ))
    );
    world.issue("second", "ec:P-256", "root", "stamps");
    assert!(matches!(
        forged(&format!("{WELL} -signer second.pem -inkey second.key")),
        Err(TimestampError::Malformed(_))
    ));
}

/// Another certificate with the same issuer, serial number and key, in the place of the signer's.
#[test]
fn a_certificate_that_was_exchanged_is_refused() {
    let world = World::new();
    world.write("serial.txt", b"2000\n");
    world.issue("tsa", "rsa:2048", "root", "stamps");
    world.write("serial.txt", b"2000\n");
    world.write("index.txt", b"");
    world.certify("twin", "tsa", "root", "stamps", "-days 20");
    let der = |name: &str| world.run(&format!("x509 -in {name}.pem -outform DER"));
    let (own, twin) = (der("tsa"), der("twin"));
    let request = Request::new(NOTE).unwrap();
    let mut reply = world.reply(&request, "tsa", "");
    open(&reply, &request, &world.roots("root")).unwrap();
    let at = reply
        .windows(own.len())
        .position(|part| part == own)
        .unwrap();
    assert_eq!(own.len(), twin.len());
    reply[at..at + own.len()].copy_from_slice(&twin);
    assert_eq!(
        open(&reply, &request, &world.roots("root")),
        Err(TimestampError::Attributes("the signer's certificate"))
    );
}

#[test]
fn hostile_bytes_are_refused_and_never_more_than_that() {
    let (world, request, reply) = stamped();
    let roots = world.roots("root");
    let sound = open(&reply, &request, &roots).unwrap();
    for cut in 0..reply.len() {
        assert!(open(&reply[..cut], &request, &roots).is_err(), "{cut}");
    }
    let longer = [&reply[..], &[0]].concat();
    assert!(open(&longer, &request, &roots).is_err());
    for at in 0..reply.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut changed = reply.clone();
            changed[at] ^= flip;
            // Some bytes are under no signature and say nothing, such as the wording of a status.
            if let Ok(time) = open(&changed, &request, &roots) {
                assert_eq!(time, sound, "byte {at}");
            }
        }
    }
    for bytes in [
        &[][..],
        &[0x30],
        &[0x30, 0x80, 0, 0],
        &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
        &[0x30, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x30; 4096],
    ] {
        assert!(verify(bytes, NOTE, &roots).is_err());
    }
    assert_eq!(
        verify(&vec![0x30; RESPONSE_BYTES_MAX + 1], NOTE, &roots),
        Err(TimestampError::TooLarge)
    );
    assert!(verify(&respond(&[0x30, 0]), NOTE, &roots).is_err());
}

#[test]
fn roots_are_certificates_or_an_error_that_names_the_file() {
    let world = World::new();
    world.root("second");
    let both = [world.read("root.pem"), world.read("second.pem")].concat();
    assert_eq!(
        Roots::from_pem(&both).unwrap().names(),
        ["CN=root", "CN=second"]
    );
    for bad in [
        &b""[..],
        b"no pem",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        assert!(matches!(
            Roots::from_pem(bad),
            Err(TimestampError::Roots(_))
        ));
    }
    let missing = Roots::load(&world.0.path().join("none.pem")).unwrap_err();
    assert!(missing.to_string().contains("none.pem"), "{missing}");
}

#[test]
fn what_is_kept_is_found_by_size() {
    let dir = tempfile::tempdir().unwrap();
    let found = |size| at_or_after(dir.path(), size).unwrap().map(|kept| kept.size);
    assert_eq!(found(0), None);
    for size in [7, 300, 40] {
        kept::keep(
            dir.path(),
            size,
            format!("note {size}").as_bytes(),
            b"token",
        )
        .unwrap();
    }
    kept::keep_again(dir.path(), 40, b"later").unwrap();
    assert_eq!(kept::sizes(dir.path()).unwrap(), [7, 40, 300]);
    for (size, wanted) in [
        (0, Some(7)),
        (7, Some(7)),
        (8, Some(40)),
        (41, Some(300)),
        (301, None),
    ] {
        assert_eq!(found(size), wanted);
    }
    let kept = at_or_after(dir.path(), 8).unwrap().unwrap();
    assert_eq!(
        (&kept.note[..], &kept.token[..]),
        (&b"note 40"[..], &b"token"[..])
    );
    assert_eq!(kept.last.as_deref(), Some(&b"later"[..]));
    std::fs::remove_file(kept::Name::Note(300).path(dir.path())).unwrap();
    assert!(kept::read(dir.path(), 300).is_err());
    for name in [
        "7.tsr",
        "00000000000000000007.tsr.tmp",
        "+0000000000000000007.tsr",
        "99999999999999999999.tsr",
    ] {
        assert_eq!(kept::Name::parse(name), None, "{name}");
    }
}
