//! The TimeStampResp of RFC 3161 §2.4.2 and what it carries: status, CMS SignedData (RFC 5652), TSTInfo.
//!
//! Takes bytes, gives their parts, each with the exact bytes that a signature covers. Reads only; what the parts are
//! worth is found out in [`super::signature`] and [`super::chain`].

use x509_parser::asn1_rs::{Class, Tag};

use super::der::{Element, Fields, number};
use super::{TimestampError, oid};

/// Certificates in a token at most.
const CERTIFICATES_MAX: usize = 16;
/// Of an authority's own words on a refusal, as many characters are repeated.
const STATUS_TEXT_MAX: usize = 200;

/// A token, taken apart.
#[derive(Debug)]
pub(super) struct Token<'a> {
    /// The TSTInfo's bytes: what the messageDigest attribute is of.
    pub(super) content: &'a [u8],
    pub(super) certificates: Vec<&'a [u8]>,
    pub(super) signer: Signer<'a>,
}

/// The one SignerInfo.
#[derive(Debug)]
pub(super) struct Signer<'a> {
    pub(super) id: SignerId<'a>,
    /// The OID of the digest algorithm.
    pub(super) digest: &'a [u8],
    /// The signed attributes as they stand, with their tag.
    pub(super) attributes: &'a [u8],
    /// The content of the signature's AlgorithmIdentifier.
    pub(super) algorithm: &'a [u8],
    pub(super) signature: &'a [u8],
}

/// Which certificate the signer names.
#[derive(Debug)]
pub(super) enum SignerId<'a> {
    /// Name, as DER, and serial number.
    IssuerAndSerial(&'a [u8], &'a [u8]),
    KeyId(&'a [u8]),
}

/// Reads a TimeStampResp that grants a token.
pub(super) fn read(bytes: &[u8]) -> Result<Token<'_>, TimestampError> {
    let mut response = Fields::sequence(bytes, "the response")?;
    let mut status = response.next_sequence("the response's status")?;
    let code = number(status.unsigned()?);
    // 0 granted, 1 granted with changes; whatever else there is carries no token.
    let Some(0 | 1) = code else {
        return Err(TimestampError::Refused {
            status: code.unwrap_or(u64::MAX),
            text: text_of(&mut status),
        });
    };
    let mut token = response.next_sequence("the token")?;
    response.end()?;
    if token.oid()? != oid::SIGNED_DATA {
        return Err(TimestampError::Malformed("the token's type"));
    }
    let mut explicit = context(&mut token, 0)?.fields("the token")?;
    token.end()?;
    let signed = explicit.next_sequence("the signed data")?;
    explicit.end()?;
    signed_data(signed)
}

/// What the authority says in words, cut short and printable.
fn text_of(status: &mut Fields<'_>) -> String {
    let read = |status: &mut Fields<'_>| {
        let mut texts = status.next_sequence("the status text")?;
        let text = texts.expect(Tag::Utf8String)?.content();
        Ok::<_, TimestampError>(String::from_utf8_lossy(text).into_owned())
    };
    let text = read(status).unwrap_or_default();
    text.chars()
        .filter(|c| !c.is_control())
        .take(STATUS_TEXT_MAX)
        .collect()
}

fn signed_data(mut signed: Fields<'_>) -> Result<Token<'_>, TimestampError> {
    if number(signed.unsigned()?) != Some(3) {
        return Err(TimestampError::Malformed("the signed data's version"));
    }
    // The signer names its digest again.
    signed.expect(Tag::Set)?;
    let mut carried = signed.next_sequence("the signed content")?;
    if carried.oid()? != oid::TST_INFO {
        return Err(TimestampError::Malformed("the signed content's type"));
    }
    let mut explicit = context(&mut carried, 0)?.fields("the signed content")?;
    carried.end()?;
    let content = explicit.expect(Tag::OctetString)?;
    explicit.end()?;
    if content.fields("").is_ok() {
        return Err(TimestampError::Malformed("the signed content"));
    }
    let content = content.content();
    let certificates = match signed.optional(Class::ContextSpecific, Tag(0))? {
        Some(set) => certificates(set.fields("the certificates")?)?,
        None => Vec::new(),
    };
    // Revocation lists, which nobody asked for.
    signed.optional(Class::ContextSpecific, Tag(1))?;
    let mut signers = signed.expect(Tag::Set)?.fields("the signers")?;
    signed.end()?;
    let signer = signer(signers.next_sequence("the signer")?)?;
    // RFC 3161 §2.4.2: no signature but the authority's.
    signers.end()?;
    Ok(Token {
        content,
        certificates,
        signer,
    })
}

/// The X.509 certificates of the set; other kinds are passed over.
fn certificates(mut set: Fields<'_>) -> Result<Vec<&[u8]>, TimestampError> {
    let mut found = Vec::new();
    while !set.is_empty() {
        let element = set.next()?;
        if element.tag() == (Class::Universal, Tag::Sequence) {
            found.push(element.whole);
        }
        if found.len() > CERTIFICATES_MAX {
            return Err(TimestampError::Malformed("the number of certificates"));
        }
    }
    Ok(found)
}

fn signer(mut info: Fields<'_>) -> Result<Signer<'_>, TimestampError> {
    let version = number(info.unsigned()?);
    let id = match (version, info.optional(Class::ContextSpecific, Tag(0))?) {
        (Some(3), Some(key)) => SignerId::KeyId(key.content()),
        (Some(1), None) => {
            let mut named = info.next_sequence("the signer's name")?;
            let issuer = named.expect(Tag::Sequence)?.whole;
            let serial = named.unsigned()?;
            named.end()?;
            SignerId::IssuerAndSerial(issuer, serial)
        }
        _ => return Err(TimestampError::Malformed("the signer's version")),
    };
    let digest = info.next_sequence("the digest algorithm")?.oid()?;
    let attributes = context(&mut info, 0)?.whole;
    let algorithm = info.expect(Tag::Sequence)?.content();
    let signature = info.expect(Tag::OctetString)?.content();
    // Unsigned attributes say nothing that is believed.
    info.optional(Class::ContextSpecific, Tag(1))?;
    info.end()?;
    Ok(Signer {
        id,
        digest,
        attributes,
        algorithm,
        signature,
    })
}

/// The next element, which must have this context tag.
fn context<'a>(fields: &mut Fields<'a>, tag: u32) -> Result<Element<'a>, TimestampError> {
    let found = fields.optional(Class::ContextSpecific, Tag(tag))?;
    found.ok_or_else(|| fields.malformed())
}
