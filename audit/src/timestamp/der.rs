//! Walking through DER one element after the other, over `asn1-rs`: hostile lengths end in an error, never in a panic.
//!
//! Takes the content of a SEQUENCE or SET; gives its elements with their exact bytes. Never skips what it was not asked
//! for: [`Fields::end`] refuses a rest.

use x509_parser::asn1_rs::{Any, Class, FromDer, Header, Oid, Tag};

use super::TimestampError;

/// One element: its header and content, and its bytes as they stand.
#[derive(Debug)]
pub(super) struct Element<'a> {
    any: Any<'a>,
    /// Tag, length and content.
    pub(super) whole: &'a [u8],
}

/// The elements that are left of a content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
    /// What is being read, for errors.
    what: &'static str,
}

impl<'a> Fields<'a> {
    pub(super) fn of(rest: &'a [u8], what: &'static str) -> Self {
        Self { rest, what }
    }

    /// The content of the one SEQUENCE that `bytes` is.
    pub(super) fn sequence(bytes: &'a [u8], what: &'static str) -> Result<Self, TimestampError> {
        let mut outer = Self::of(bytes, what);
        let inner = outer.next_sequence(what)?;
        outer.end()?;
        Ok(inner)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next element, of whatever kind.
    pub(super) fn next(&mut self) -> Result<Element<'a>, TimestampError> {
        let (rest, any) = Any::from_der(self.rest).map_err(|_| self.malformed())?;
        let whole = &self.rest[..self.rest.len() - rest.len()];
        self.rest = rest;
        Ok(Element { any, whole })
    }

    /// The next element, which must have this universal tag.
    pub(super) fn expect(&mut self, tag: Tag) -> Result<Element<'a>, TimestampError> {
        self.optional(Class::Universal, tag)?
            .ok_or_else(|| self.malformed())
    }

    /// The next element if it has this class and tag.
    pub(super) fn optional(
        &mut self,
        class: Class,
        tag: Tag,
    ) -> Result<Option<Element<'a>>, TimestampError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (_, header) = Header::from_der(self.rest).map_err(|_| self.malformed())?;
        if (header.class(), header.tag()) != (class, tag) {
            return Ok(None);
        }
        self.next().map(Some)
    }

    /// The content of the next element, a SEQUENCE.
    pub(super) fn next_sequence(&mut self, what: &'static str) -> Result<Self, TimestampError> {
        self.expect(Tag::Sequence)?.fields(what)
    }

    /// The next element, an OBJECT IDENTIFIER: its content.
    pub(super) fn oid(&mut self) -> Result<&'a [u8], TimestampError> {
        let element = self.expect(Tag::Oid)?;
        if element.any.data.is_empty() {
            return Err(self.malformed());
        }
        Ok(element.any.data)
    }

    /// The next element, an INTEGER that is not negative, without its leading zero.
    pub(super) fn unsigned(&mut self) -> Result<&'a [u8], TimestampError> {
        let element = self.expect(Tag::Integer)?;
        element.unsigned().ok_or_else(|| self.malformed())
    }

    /// Nothing may be left.
    pub(super) fn end(&self) -> Result<(), TimestampError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.malformed())
        }
    }

    pub(super) fn malformed(&self) -> TimestampError {
        TimestampError::Malformed(self.what)
    }
}

impl<'a> Element<'a> {
    /// The content.
    pub(super) fn content(&self) -> &'a [u8] {
        self.any.data
    }

    pub(super) fn tag(&self) -> (Class, Tag) {
        (self.any.class(), self.any.tag())
    }

    /// The elements inside; only of a constructed element.
    pub(super) fn fields(&self, what: &'static str) -> Result<Fields<'a>, TimestampError> {
        if !self.any.header.is_constructed() {
            return Err(TimestampError::Malformed(what));
        }
        Ok(Fields::of(self.any.data, what))
    }

    /// The content as an INTEGER that is not negative, shortest form, without its leading zero.
    pub(super) fn unsigned(&self) -> Option<&'a [u8]> {
        match self.any.data {
            [0] => Some(&[]),
            [0, next, ..] if next & 0x80 == 0 => None,
            [0, rest @ ..] => Some(rest),
            [first, ..] if first & 0x80 != 0 => None,
            [] => None,
            bytes => Some(bytes),
        }
    }
}

/// The number that [`Fields::unsigned`] gave; `None` when it does not fit.
pub(super) fn number(bytes: &[u8]) -> Option<u64> {
    if bytes.len() > 8 {
        return None;
    }
    Some(
        bytes
            .iter()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
    )
}

/// An object identifier in dots, for people.
pub(super) fn dotted(oid: &[u8]) -> String {
    Oid::new(oid.into()).to_id_string()
}
