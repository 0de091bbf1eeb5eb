//! The TSTInfo of RFC 3161 §2.4.2: what the authority says about which digest.

use proto::digest::Digest;
use time::{Date, Month, PrimitiveDateTime, Time};
use x509_parser::asn1_rs::{Class, Tag};

use super::der::{Fields, dotted, number};
use super::{TimestampError, oid};

/// The authority's statement. Worth nothing before its signature is verified.
#[derive(Debug)]
pub(super) struct Info<'a> {
    pub(super) policy: String,
    pub(super) imprint: Digest,
    /// Hexadecimal.
    pub(super) serial: String,
    /// Unix time, microseconds.
    pub(super) at_us: u64,
    pub(super) accuracy_us: u64,
    /// As [`Fields::unsigned`] gives it.
    pub(super) nonce: Option<&'a [u8]>,
}

impl<'a> Info<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, TimestampError> {
        let mut info = Fields::sequence(bytes, "the time-stamp")?;
        if number(info.unsigned()?) != Some(1) {
            return Err(TimestampError::Malformed("the time-stamp's version"));
        }
        let policy = dotted(info.oid()?);
        let imprint = imprint(info.next_sequence("the message imprint")?)?;
        // Shown, never compared: some authorities do not mind the sign.
        let serial = hex::encode(info.expect(Tag::Integer)?.content());
        let time = info.expect(Tag::GeneralizedTime)?.content();
        let at_us = generalized_us(time).ok_or(TimestampError::Malformed("the time"))?;
        let accuracy_us = match info.optional(Class::Universal, Tag::Sequence)? {
            Some(given) => accuracy(given.fields("the accuracy")?)?,
            None => 0,
        };
        // Whether this authority's times order its tokens: nothing here relies on it.
        info.optional(Class::Universal, Tag::Boolean)?;
        let nonce = match info.optional(Class::Universal, Tag::Integer)? {
            Some(nonce) => Some(nonce.unsigned().ok_or_else(|| info.malformed())?),
            None => None,
        };
        // The authority's own name for itself: its certificate says who it is.
        info.optional(Class::ContextSpecific, Tag(0))?;
        if let Some(given) = info.optional(Class::ContextSpecific, Tag(1))? {
            extensions(given.fields("the extensions")?)?;
        }
        info.end()?;
        Ok(Self {
            policy,
            imprint,
            serial,
            at_us,
            accuracy_us,
            nonce,
        })
    }
}

fn imprint(mut fields: Fields<'_>) -> Result<Digest, TimestampError> {
    let algorithm = fields.next_sequence("the imprint's algorithm")?.oid()?;
    let digest = fields.expect(Tag::OctetString)?.content();
    fields.end()?;
    if algorithm != oid::SHA256 {
        return Err(TimestampError::Unsupported(format!(
            "an imprint by {}",
            dotted(algorithm)
        )));
    }
    Digest::from_slice(digest).ok_or_else(|| fields.malformed())
}

/// Seconds, then milliseconds `[0]` and microseconds `[1]`, 1 to 999 each; all may be left out.
fn accuracy(mut fields: Fields<'_>) -> Result<u64, TimestampError> {
    let mut sum_us = 0u64;
    for (class, tag, unit_us, max) in [
        (
            Class::Universal,
            Tag::Integer,
            1_000_000,
            u64::from(u32::MAX),
        ),
        (Class::ContextSpecific, Tag(0), 1_000, 999),
        (Class::ContextSpecific, Tag(1), 1, 999),
    ] {
        if let Some(part) = fields.optional(class, tag)? {
            let part = part.unsigned().and_then(number);
            let part = part.filter(|part| *part <= max);
            sum_us += part.ok_or_else(|| fields.malformed())? * unit_us;
        }
    }
    fields.end()?;
    Ok(sum_us)
}

/// An extension that must be understood is refused: none is.
fn extensions(mut list: Fields<'_>) -> Result<(), TimestampError> {
    while !list.is_empty() {
        let mut extension = list.next_sequence("an extension")?;
        let id = extension.oid()?;
        if let Some(critical) = extension.optional(Class::Universal, Tag::Boolean)?
            && critical.content() != [0]
        {
            return Err(TimestampError::Unsupported(format!(
                "the critical extension {}",
                dotted(id)
            )));
        }
    }
    Ok(())
}

/// `YYYYMMDDhhmmss[.f…]Z`, the one form that RFC 3161 allows, as Unix microseconds. A leap second counts as the second
/// before it; digits beyond microseconds are cut.
fn generalized_us(text: &[u8]) -> Option<u64> {
    let text = text.strip_suffix(b"Z")?;
    let (whole, fraction) = match text.iter().position(|byte| *byte == b'.') {
        // No empty fraction, no trailing zero: the time has one form.
        Some(_) if matches!(text, [.., b'.' | b'0']) => return None,
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &[][..]),
    };
    let digits = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_digit);
    if whole.len() != 14 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let part = |from: usize, to: usize| {
        whole[from..to]
            .iter()
            .fold(0u16, |sum, byte| sum * 10 + u16::from(byte - b'0'))
    };
    let two = |from: usize| u8::try_from(part(from, from + 2)).ok();
    let month = Month::try_from(two(4)?).ok()?;
    let date = Date::from_calendar_date(i32::from(part(0, 4)), month, two(6)?).ok()?;
    let second = match two(12)? {
        60 => 59,
        second => second,
    };
    let time = Time::from_hms(two(8)?, two(10)?, second).ok()?;
    let seconds = PrimitiveDateTime::new(date, time)
        .assume_utc()
        .unix_timestamp();
    let micros = (0..6).fold(0u64, |sum, at| {
        sum * 10 + fraction.get(at).map_or(0, |byte| u64::from(byte - b'0'))
    });
    u64::try_from(seconds)
        .ok()?
        .checked_mul(1_000_000)?
        .checked_add(micros)
}

#[cfg(test)]
mod tests {
    use super::generalized_us;

    #[test]
    fn a_time_has_one_form() {
        for (text, us) in [
            ("19700101000000Z", 0),
            ("20260301120000Z", 1_772_366_400_000_000),
            ("20260301120000.5Z", 1_772_366_400_500_000),
            ("20260301120000.123456Z", 1_772_366_400_123_456),
            ("20260301120000.1234569Z", 1_772_366_400_123_456),
            ("20161231235960Z", 1_483_228_799_000_000),
        ] {
            assert_eq!(generalized_us(text.as_bytes()), Some(us), "{text}");
        }
        for bad in [
            "",
            "Z",
            "20260301120000",
            "202603011200Z",
            "20260301120000+0000",
            "20260301120000.Z",
            "20260301120000.50Z",
            "20260301120000,5Z",
            "20261301120000Z",
            "20260230120000Z",
            "20260301240000Z",
            "20260301126000Z",
            "2026030112000\u{663}Z",
            "19691231235959Z",
        ] {
            assert_eq!(generalized_us(bad.as_bytes()), None, "{bad}");
        }
    }
}
