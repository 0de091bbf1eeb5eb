//! From when to when a certificate counts, read from its bytes; nothing else about it is judged.

use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

/// A certificate's life, whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Its beginning.
    pub not_before: OffsetDateTime,
    /// Its end.
    pub not_after: OffsetDateTime,
}

impl Validity {
    /// Reads it from a certificate's DER; `None` when that is no certificate.
    #[must_use]
    pub fn of(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let validity = certificate.validity();
        Some(Self {
            not_before: validity.not_before.to_datetime(),
            not_after: validity.not_after.to_datetime(),
        })
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;
    use crate::authority::BACKDATE;
    use crate::{Authority, TlsKey, request};

    #[test]
    fn a_certificate_says_when_it_counts_and_bytes_say_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let now = OffsetDateTime::from_unix_timestamp(1_795_348_800).unwrap();
        let authority = Authority::create(dir.path(), "bus.example", now).unwrap();
        let request = request::make(&TlsKey::generate().unwrap()).unwrap();
        let issued = authority
            .issue_operator(&request, "amina", Duration::days(2), now)
            .unwrap();
        let validity = Validity::of(&issued.cert_der).unwrap();
        assert_eq!(validity.not_before, now - BACKDATE);
        assert_eq!(validity.not_after, now + Duration::days(2));
        assert_eq!(Validity::of(&issued.cert_der[..100]), None);
        assert_eq!(Validity::of(b""), None);
    }
}
