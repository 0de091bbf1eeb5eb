//! What is sealed opens for its receiver, beside its header, for its log, as the half of an exchange that it is, and not
//! otherwise; and what RFC 9180 shows opens here.

use super::*;

const ORIGIN: &str = "mohawel.example/golden";

fn contents(answer_key: Option<EncryptionKey>) -> Contents {
    Contents {
        salt: Salt([5; 32]),
        answer_key,
        payload: Bytes::from_static(b"parcel 17/4 of Giza"),
    }
}

#[test]
fn what_is_sealed_opens_for_its_receiver_alone() {
    let [provider, stranger, answer] = [(); 3].map(|()| OpeningKey::generate().unwrap());
    let sent = contents(Some(*answer.key()));
    let sealed = seal(provider.key(), Of::Request, ORIGIN, b"header", &sent).unwrap();
    let open = |key: &OpeningKey, of, origin: &str, header: &[u8], payload: &[u8]| {
        key.open(of, origin, header, payload)
    };
    let opened = open(&provider, Of::Request, ORIGIN, b"header", &sealed).unwrap();
    assert_eq!(opened, sent);
    let no = Err(SealedError::NotOpened);
    for (of, origin, header) in [
        (Of::Answer, ORIGIN, &b"header"[..]),
        (Of::Request, "other.example/log", b"header"),
        (Of::Request, ORIGIN, b"headef"),
        (Of::Request, ORIGIN, b""),
    ] {
        assert_eq!(open(&provider, of, origin, header, &sealed), no, "{origin}");
    }
    assert_eq!(
        open(&stranger, Of::Request, ORIGIN, b"header", &sealed),
        Err(SealedError::OtherKey)
    );
    for at in 0..sealed.len() {
        let mut changed = sealed.to_vec();
        changed[at] ^= 1;
        let opened = open(&provider, Of::Request, ORIGIN, b"header", &changed);
        assert!(opened.is_err(), "byte {at}");
        let opened = open(&provider, Of::Request, ORIGIN, b"header", &sealed[..at]);
        assert!(opened.is_err(), "cut at {at}");
    }
    // The same twice is not the same.
    assert_ne!(
        seal(provider.key(), Of::Request, ORIGIN, b"header", &sent).unwrap(),
        sealed
    );
    assert!(!sealed.windows(6).any(|six| six == b"parcel"));
}

/// RFC 9180, appendix A.1.1: the suite of ours, base mode, its first message.
#[test]
fn what_the_rfc_shows_opens_here() {
    let bytes = |hex_text: &str| hex::decode(hex_text).unwrap();
    let secret = bytes("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8");
    let enc = bytes("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431");
    let info = bytes("4f6465206f6e2061204772656369616e2055726e");
    let aad = bytes("436f756e742d30");
    let ciphertext = bytes(
        "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a",
    );
    let opened = SUITE
        .open(
            &EncapsulatedSecret(enc),
            &info,
            &aad,
            &ciphertext,
            &HpkePrivateKey::from(secret),
        )
        .unwrap();
    assert_eq!(opened, b"Beauty is truth, truth beauty");
}

/// `tests/golden/sealed.json` was made by `tests/foreign/sealed.py`, which shares no code with us.
#[test]
fn what_a_stranger_sealed_opens_here() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/sealed.json");
    let values: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let value = |name: &str| hex::decode(values[name].as_str().unwrap()).unwrap();
    let origin = String::from_utf8(value("origin")).unwrap();
    for (of, receiver, half) in [
        (Of::Request, "provider", "request"),
        (Of::Answer, "answer", "answer"),
    ] {
        let key = OpeningKey {
            secret: HpkePrivateKey::from(value(&format!("{receiver}.secret"))),
            key: EncryptionKey::from_slice(&value(&format!("{receiver}.key"))).unwrap(),
        };
        let header = value(&format!("{half}.header"));
        let payload = value(&format!("{half}.payload"));
        let opened = key.open(of, &origin, &header, &payload).unwrap();
        assert_eq!(&opened.salt.0[..], value("salt"));
        assert_eq!(&opened.payload[..], value(&format!("{half}.clear")));
        let answer_key = opened.answer_key.map(|key| key.bytes().to_vec());
        let said = (of == Of::Request).then(|| value("answer.key"));
        assert_eq!(answer_key, said);
    }
}
