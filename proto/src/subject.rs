//! Pseudonyms of the persons that an exchange is about.
//!
//! ```text
//! epoch master (the data-protection authority's)
//!   └─ HKDF-SHA-256, info = label ‖ agreement id ──▶ K, for the parties of that agreement and nobody else
//!        └─ HMAC-SHA-256(K, u16 length ‖ scheme ‖ id in its one form) ──▶ what the header carries
//! ```
//!
//! Takes secrets and identifiers, gives 32 bytes. The switch holds no such secret, so it sees that two questions under
//! one agreement and epoch are about one person, and not who that is. Specification: `docs/protocol.md` §2, Subjects.

use std::fmt;

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::{hmac, rand};
use thiserror::Error;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use crate::digest::Digest;
use crate::id::Part;

/// What separates the keys of agreements from everything else that is derived from an epoch master.
pub const LABEL: &str = "mohawel/subject/v1";
/// The scheme of Egyptian national identity numbers.
pub const NID: &str = "nid";
/// The scheme under which an agency makes pseudonyms of its own clerks, with a key that only it has.
pub const ACTOR: &str = "actor";
/// Bytes of every secret here.
pub const SECRET_BYTES: usize = 32;
/// Bytes of an identifier in its one form.
pub const ID_BYTES_MAX: usize = 256;
/// Digits of an Egyptian national identity number.
const NID_DIGITS: usize = 14;

/// The data-protection authority's secret of one epoch. Whoever has it can look a person up across all agreements.
#[derive(Clone, PartialEq, Eq)]
pub struct EpochMaster(Zeroizing<[u8; SECRET_BYTES]>);

impl EpochMaster {
    /// Fresh randomness from the operating system by way of the crypto provider.
    ///
    /// # Errors
    /// [`SubjectError::NoRandomness`].
    pub fn random() -> Result<Self, SubjectError> {
        random().map(Self)
    }

    /// Takes exactly 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        secret(bytes).map(Self)
    }

    /// The secret itself, for its file.
    pub fn as_bytes(&self) -> &[u8; SECRET_BYTES] {
        &self.0
    }

    /// K: what the parties of `agreement` are given for this epoch.
    ///
    /// # Errors
    /// [`SubjectError::NoDerivation`], which a working crypto provider never says.
    pub fn key(&self, agreement: &Digest) -> Result<SubjectKey, SubjectError> {
        let mut key = Zeroizing::new([0; SECRET_BYTES]);
        let extracted = Salt::new(HKDF_SHA256, &[]).extract(&self.0[..]);
        let info = [LABEL.as_bytes(), &agreement.0];
        extracted
            .expand(&info, Length)
            .and_then(|okm| okm.fill(&mut key[..]))
            .map_err(|_| SubjectError::NoDerivation)?;
        Ok(SubjectKey(key))
    }
}

impl fmt::Debug for EpochMaster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EpochMaster(..)")
    }
}

/// What pseudonyms are made with: of one agreement and epoch, or of an agency's clerks.
#[derive(Clone, PartialEq, Eq)]
pub struct SubjectKey(Zeroizing<[u8; SECRET_BYTES]>);

impl SubjectKey {
    /// A key of its own, for an agency's clerks.
    ///
    /// # Errors
    /// [`SubjectError::NoRandomness`].
    pub fn random() -> Result<Self, SubjectError> {
        random().map(Self)
    }

    /// Takes exactly 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        secret(bytes).map(Self)
    }

    /// The secret itself, for its file.
    pub fn as_bytes(&self) -> &[u8; SECRET_BYTES] {
        &self.0
    }

    /// The pseudonym of `id`, however it was written.
    ///
    /// # Errors
    /// As [`normalise`].
    pub fn pseudonym(&self, scheme: &Part, id: &str) -> Result<Digest, SubjectError> {
        let id = normalise(scheme, id)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0[..]);
        let mut context = hmac::Context::with_key(&key);
        let scheme = scheme.as_str().as_bytes();
        // A name part has at most 64 bytes.
        context.update(
            &u16::try_from(scheme.len())
                .unwrap_or(u16::MAX)
                .to_be_bytes(),
        );
        context.update(scheme);
        context.update(id.as_bytes());
        // HMAC-SHA-256 is always 32 bytes.
        Ok(Digest::from_slice(context.sign().as_ref()).unwrap_or_default())
    }
}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubjectKey(..)")
    }
}

/// The one form of an identifier: two people who write the same person differently get one pseudonym.
///
/// | scheme | form |
/// |---|---|
/// | `nid` | white space around it taken off, ٠–٩ and ۰–۹ as 0–9, then exactly 14 digits |
/// | every other | NFC, then white space around it taken off; 1 to [`ID_BYTES_MAX`] bytes |
///
/// # Errors
/// [`SubjectError::Nid`], [`SubjectError::Empty`], [`SubjectError::TooLong`]. None repeats the identifier.
pub fn normalise(scheme: &Part, id: &str) -> Result<String, SubjectError> {
    if scheme.as_str() == NID {
        let digits: String = id.trim().chars().map(ascii_digit).collect();
        let holds = digits.len() == NID_DIGITS && digits.bytes().all(|c| c.is_ascii_digit());
        return holds.then_some(digits).ok_or(SubjectError::Nid);
    }
    // Normalising makes a text at most three times as long; a huge one is not worth the work.
    if id.len() > ID_BYTES_MAX * 4 {
        return Err(SubjectError::TooLong);
    }
    let composed: String = id.nfc().collect();
    match composed.trim() {
        "" => Err(SubjectError::Empty),
        form if form.len() > ID_BYTES_MAX => Err(SubjectError::TooLong),
        form => Ok(form.to_owned()),
    }
}

fn ascii_digit(c: char) -> char {
    let digit = |zero: char| char::from_digit(u32::from(c) - u32::from(zero), 10).unwrap_or(c);
    match c {
        '٠'..='٩' => digit('٠'),
        '۰'..='۹' => digit('۰'),
        c => c,
    }
}

fn random() -> Result<Zeroizing<[u8; SECRET_BYTES]>, SubjectError> {
    let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
    rand::fill(&mut bytes[..]).map_err(|_| SubjectError::NoRandomness)?;
    Ok(bytes)
}

fn secret(bytes: &[u8]) -> Option<Zeroizing<[u8; SECRET_BYTES]>> {
    bytes.try_into().ok().map(Zeroizing::new)
}

/// The length of a secret, as HKDF wants to be told it.
struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        SECRET_BYTES
    }
}

/// Why there is no pseudonym. Never holds any part of an identifier.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SubjectError {
    /// Not a national identity number.
    #[error(
        "it is not a national identity number: exactly {NID_DIGITS} digits, and nothing between them"
    )]
    Nid,
    /// Nothing but white space.
    #[error("it is empty")]
    Empty,
    /// Longer than [`ID_BYTES_MAX`].
    #[error("it is longer than {ID_BYTES_MAX} bytes")]
    TooLong,
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    NoRandomness,
    /// The crypto provider does not derive.
    #[error("the crypto provider does not derive keys")]
    NoDerivation,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(text: &str) -> Part {
        Part::parse(text).unwrap()
    }

    fn key() -> SubjectKey {
        EpochMaster::from_slice(&[7; 32])
            .unwrap()
            .key(&Digest::of(b"an agreement"))
            .unwrap()
    }

    #[test]
    fn one_person_has_one_pseudonym_however_the_number_is_written() {
        let of = |id: &str| key().pseudonym(&part(NID), id);
        let plain = of("29001018800017").unwrap();
        for same in [
            " 29001018800017\n",
            "٢٩٠٠١٠١٨٨٠٠٠١٧",
            "۲۹۰۰۱۰۱۸۸۰۰۰۱۷",
            "\u{a0}٢٩0010188٠٠٠17\u{3000}",
        ] {
            assert_eq!(of(same), Ok(plain), "{same:?}");
        }
        assert_ne!(of("29001018800025"), Ok(plain));
        for bad in [
            "",
            " ",
            "2900101880001",
            "290010188000177",
            "2900101-880017",
            "29001018 800017",
            "२९००१०१८८०००१७",
            "２９００１０１８８０００１７",
            "2900101880001x",
            &"2".repeat(1_000_000),
        ] {
            assert_eq!(of(bad), Err(SubjectError::Nid), "{}", bad.len());
        }
    }

    #[test]
    fn other_schemes_compose_and_trim_and_change_nothing_else() {
        let of = |id: &str| key().pseudonym(&part("passport"), id);
        assert_eq!(of(" Zo\u{65}\u{308} "), of("Zo\u{eb}"));
        assert_ne!(of("a1"), of("A1"));
        assert_ne!(of("٢٩"), of("29"), "only nid has digits");
        assert_eq!(of("\t \n"), Err(SubjectError::Empty));
        assert!(of(&"x".repeat(ID_BYTES_MAX)).is_ok());
        for long in [ID_BYTES_MAX + 1, ID_BYTES_MAX * 5, 1 << 20] {
            assert_eq!(of(&"x".repeat(long)), Err(SubjectError::TooLong));
        }
    }

    #[test]
    fn scheme_agreement_and_epoch_all_part_the_pseudonyms() {
        let (agreement, id) = (Digest::of(b"an agreement"), "29001018800017");
        let made = |master: u8, agreement: &Digest, scheme: &str| {
            let master = EpochMaster::from_slice(&[master; 32]).unwrap();
            let key = master.key(agreement).unwrap();
            key.pseudonym(&part(scheme), id).unwrap()
        };
        let first = made(7, &agreement, NID);
        assert_eq!(first, made(7, &agreement, NID));
        let others = [
            made(8, &agreement, NID),
            made(7, &Digest::of(b"another"), NID),
            made(7, &agreement, "nid2"),
        ];
        assert!(others.iter().all(|other| *other != first));
        // The length in front of the scheme: no scheme and id run into another pair.
        let of = |scheme: &str, id: &str| key().pseudonym(&part(scheme), id).unwrap();
        assert_ne!(of("ab", "c"), of("a", "bc"));
    }

    #[test]
    fn secrets_are_32_bytes_and_never_printed() {
        assert!(EpochMaster::from_slice(&[1; 31]).is_none());
        assert!(SubjectKey::from_slice(&[1; 33]).is_none());
        assert_ne!(
            EpochMaster::random().unwrap(),
            EpochMaster::random().unwrap()
        );
        let (master, key) = (
            EpochMaster::random().unwrap(),
            SubjectKey::random().unwrap(),
        );
        assert_eq!(
            format!("{master:?} {key:?}"),
            "EpochMaster(..) SubjectKey(..)"
        );
        assert_eq!(SubjectKey::from_slice(key.as_bytes()), Some(key));
    }
}
