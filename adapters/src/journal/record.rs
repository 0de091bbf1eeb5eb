//! One record of the journal: what happened to one exchange at one moment, with the exact bytes that prove it.
//!
//! An exchange has several records, each with what was new: the sealed request, the switch's receipt, the sealed answer,
//! its receipt. [`Record::merge`] puts them together. Receipts are the bytes of `mohawel.audit.v1.Receipt`.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use proto::id::{ExchangeId, SystemId};

/// The layout's version, first byte of each record.
const VERSION: u8 = 1;

/// On which side of an exchange the home's system stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Role {
    /// It asked.
    Consumer = 1,
    /// It answered.
    Provider = 2,
}

impl Role {
    /// The word in exports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::Provider => "provider",
        }
    }

    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        [Self::Consumer, Self::Provider]
            .into_iter()
            .find(|role| *role as u8 == byte)
    }
}

/// A header and its seal block, as they stand in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedBytes {
    /// Canonical header.
    pub header: Bytes,
    /// [`proto::seal::Seal::to_block`].
    pub seal: Bytes,
}

impl From<&crate::sealer::Sealed> for SealedBytes {
    fn from(sealed: &crate::sealer::Sealed) -> Self {
        Self {
            header: sealed.header.clone(),
            seal: sealed.seal.to_block(),
        }
    }
}

impl From<&proto::envelope::Envelope> for SealedBytes {
    fn from(envelope: &proto::envelope::Envelope) -> Self {
        Self {
            header: envelope.header.clone(),
            seal: envelope.seal.to_block(),
        }
    }
}

/// What is known of one exchange; in the journal, what one moment added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// On which side the home's system stood.
    pub role: Role,
    /// The exchange.
    pub exchange: ExchangeId,
    /// Unix time, milliseconds, of the first record.
    pub at_ms: u64,
    /// The other party.
    pub other: SystemId,
    /// How it ended here: an outcome, a refusal's code, `untrusted`, `no_answer`; empty while it is open.
    pub outcome: String,
    /// The request.
    pub request: Option<SealedBytes>,
    /// What the log gave for it. The consumer's has neither proof nor checkpoint: the closing entry names it.
    pub request_receipt: Option<Bytes>,
    /// The answer. Without one, its receipt is of a closing entry without a header.
    pub answer: Option<SealedBytes>,
    /// What the log gave for it.
    pub answer_receipt: Option<Bytes>,
}

impl Record {
    /// Of an exchange of which nothing is known yet.
    pub fn new(role: Role, exchange: ExchangeId, at_ms: u64, other: SystemId) -> Self {
        Self {
            role,
            exchange,
            at_ms,
            other,
            outcome: String::new(),
            request: None,
            request_receipt: None,
            answer: None,
            answer_receipt: None,
        }
    }

    /// Whether nothing more is expected.
    pub fn is_complete(&self) -> bool {
        self.answer_receipt.is_some() || !self.outcome.is_empty()
    }

    /// Adds what a later record of the same exchange and role says; what is known already stays.
    pub fn merge(&mut self, later: Self) {
        if self.outcome.is_empty() {
            self.outcome = later.outcome;
        }
        self.request = self.request.take().or(later.request);
        self.request_receipt = self.request_receipt.take().or(later.request_receipt);
        self.answer = self.answer.take().or(later.answer);
        self.answer_receipt = self.answer_receipt.take().or(later.answer_receipt);
    }

    /// Bytes that it holds, roughly.
    pub fn weight(&self) -> usize {
        let sealed = |sealed: &Option<SealedBytes>| {
            sealed
                .as_ref()
                .map_or(0, |sealed| sealed.header.len() + sealed.seal.len())
        };
        let bytes = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        128 + sealed(&self.request)
            + sealed(&self.answer)
            + bytes(&self.request_receipt)
            + bytes(&self.answer_receipt)
    }

    /// Appends its bytes.
    pub(super) fn put(&self, out: &mut BytesMut) {
        out.put_u8(VERSION);
        out.put_u8(self.role as u8);
        out.put_slice(self.exchange.as_bytes());
        out.put_u64(self.at_ms);
        put(out, Some(self.other.as_str().as_bytes()));
        put(out, Some(self.outcome.as_bytes()));
        for sealed in [&self.request, &self.answer] {
            put(out, sealed.as_ref().map(|sealed| &sealed.header[..]));
            put(out, sealed.as_ref().map(|sealed| &sealed.seal[..]));
        }
        put(out, self.request_receipt.as_deref());
        put(out, self.answer_receipt.as_deref());
    }

    /// `None` for anything but what [`Record::put`] wrote.
    pub(super) fn decode(mut bytes: Bytes) -> Option<Self> {
        if bytes.len() < 26 || bytes.get_u8() != VERSION {
            return None;
        }
        let role = Role::from_byte(bytes.get_u8())?;
        let exchange = ExchangeId::from_slice(&bytes.split_to(16))?;
        let at_ms = bytes.get_u64();
        let text = |bytes: Bytes| String::from_utf8(bytes.into()).ok();
        let other = SystemId::parse(&text(take(&mut bytes)??)?).ok()?;
        let outcome = text(take(&mut bytes)??)?;
        let mut sealed = || {
            let (header, seal) = (take(&mut bytes)?, take(&mut bytes)?);
            match (header, seal) {
                (Some(header), Some(seal)) => Some(Some(SealedBytes { header, seal })),
                (None, None) => Some(None),
                _ => None,
            }
        };
        let (request, answer) = (sealed()?, sealed()?);
        let (request_receipt, answer_receipt) = (take(&mut bytes)?, take(&mut bytes)?);
        bytes.is_empty().then_some(Self {
            role,
            exchange,
            at_ms,
            other,
            outcome,
            request,
            request_receipt,
            answer,
            answer_receipt,
        })
    }
}

/// `0`, or `length + 1` and the bytes.
fn put(out: &mut BytesMut, bytes: Option<&[u8]>) {
    match bytes {
        None => out.put_u32(0),
        Some(bytes) => {
            // Every part is bounded far below 4 GiB where it is made.
            out.put_u32(u32::try_from(bytes.len()).map_or(u32::MAX, |len| len.saturating_add(1)));
            out.put_slice(bytes);
        }
    }
}

/// The outer `None`: not in this form.
fn take(bytes: &mut Bytes) -> Option<Option<Bytes>> {
    if bytes.len() < 4 {
        return None;
    }
    let Some(len) = (bytes.get_u32() as usize).checked_sub(1) else {
        return Some(None);
    };
    (len <= bytes.len()).then(|| Some(bytes.split_to(len)))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::journal) fn record(number: u8) -> Record {
        let id = format!("0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a{number:02x}");
        let exchange = ExchangeId::parse(&id).unwrap();
        let other = SystemId::parse("EG/GOV/CIVIL/registry").unwrap();
        let mut record = Record::new(Role::Consumer, exchange, 1_795_000_000_000, other);
        record.request = Some(SealedBytes {
            header: vec![number; 300].into(),
            seal: vec![1; 100].into(),
        });
        record
    }

    #[test]
    fn a_record_comes_back_as_it_went_and_nothing_else_does() {
        let mut full = record(7);
        full.outcome = "answered".to_owned();
        full.request_receipt = Some(Bytes::from_static(b"r"));
        full.answer = full.request.clone();
        full.answer_receipt = Some(Bytes::new());
        for record in [record(1), full] {
            let mut bytes = BytesMut::new();
            record.put(&mut bytes);
            let bytes = bytes.freeze();
            assert_eq!(Record::decode(bytes.clone()), Some(record));
            for cut in 0..bytes.len() {
                assert_eq!(Record::decode(bytes.slice(..cut)), None, "{cut}");
            }
            let longer = [&bytes[..], b"x"].concat();
            assert_eq!(Record::decode(longer.into()), None);
        }
    }

    #[test]
    fn what_is_known_stays_when_more_is_added() {
        let mut first = record(1);
        let mut later = record(1);
        later.request = None;
        later.at_ms += 5;
        later.outcome = "answered".to_owned();
        later.answer_receipt = Some(Bytes::from_static(b"a"));
        first.merge(later.clone());
        assert_eq!(first.request, record(1).request);
        assert_eq!(first.at_ms, record(1).at_ms);
        assert!(first.is_complete());
        later.outcome = "deadline".to_owned();
        first.merge(later);
        assert_eq!(first.outcome, "answered");
    }
}
