//! Which entries of a log are wanted: one set of options for every command that looks for some.

use clap::Args;
use proto::Digest;
use proto::case::Case;
use proto::commitment::Salt;
use proto::entry::Kind;
use proto::header::Subject;
use proto::id::{AgencyId, ExchangeId, Part, SystemId};

/// Which entries are wanted. Every option narrows; without one, all are.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Which entries")]
pub struct Wanted {
    /// Only entries of this kind, for example request, closing or refusal.
    #[arg(long, value_parser = kind)]
    pub kind: Option<Kind>,
    /// Only this exchange.
    #[arg(long, value_parser = exchange_id)]
    pub exchange: Option<ExchangeId>,
    /// Only this agency or system, whichever side it is on: INSTANCE/CLASS/AGENCY[/SYSTEM].
    #[arg(long, value_parser = party)]
    pub party: Option<String>,
    /// Only where this agency or system asks.
    #[arg(long, value_parser = party)]
    pub consumer: Option<String>,
    /// Only where this agency or system is asked.
    #[arg(long, value_parser = party)]
    pub provider: Option<String>,
    /// Only this service, for example persons.v1.
    #[arg(long, value_parser = part)]
    pub service: Option<String>,
    /// Only this operation.
    #[arg(long, value_parser = part)]
    pub operation: Option<String>,
    /// Only this purpose.
    #[arg(long, value_parser = part)]
    pub purpose: Option<String>,
    /// Only this outcome or refusal code.
    #[arg(long, value_parser = part)]
    pub code: Option<String>,
    /// Only what this agreement decided: its id, 64 hex digits.
    #[arg(long, value_parser = digest)]
    pub agreement: Option<Digest>,
    /// Only entries whose own seal names this key: its kid, 64 hex digits, as `mohawel key list` shows it.
    #[arg(long, value_parser = digest)]
    pub seal_key: Option<Digest>,
    /// Only what this clerk asked: the pseudonym, 64 hex digits.
    #[arg(long, value_parser = digest)]
    pub actor: Option<Digest>,
    /// Only what belongs to this case: its commitment, 64 hex digits, or @FILE, the opening that `mohawel compose show` wrote.
    #[arg(long, value_parser = case)]
    pub case: Option<Digest>,
    /// Only what is about this person: SCHEME:PSEUDONYM, the pseudonym in 64 hex digits, for example nid:0f3a….
    #[arg(long, value_parser = subject)]
    pub subject: Option<Subject>,
    /// From this RFC 3339 time on.
    #[arg(long)]
    pub since: Option<String>,
    /// Before this RFC 3339 time.
    #[arg(long)]
    pub until: Option<String>,
    /// From this index on.
    #[arg(long)]
    pub from: Option<u64>,
    /// Before this index.
    #[arg(long)]
    pub to: Option<u64>,
}

fn kind(text: &str) -> Result<Kind, String> {
    let found = Kind::ALL.into_iter().find(|kind| kind.name() == text);
    found.ok_or_else(|| {
        let names = Kind::ALL.map(Kind::name).join(", ");
        format!("no kind of entry; there are {names}")
    })
}

fn party(text: &str) -> Result<String, String> {
    match (AgencyId::parse(text), SystemId::parse(text)) {
        (Ok(_), _) | (_, Ok(_)) => Ok(text.to_owned()),
        (Err(_), Err(_)) => Err(
            "neither an agency (INSTANCE/CLASS/AGENCY) nor a system (INSTANCE/CLASS/AGENCY/SYSTEM)"
                .to_owned(),
        ),
    }
}

fn part(text: &str) -> Result<String, String> {
    Part::parse(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

fn digest(text: &str) -> Result<Digest, String> {
    Digest::from_hex(text).ok_or_else(|| "not 32 bytes in hex (64 digits)".to_owned())
}

/// A commitment, or a file that opens one: what is looked for is then made again from reference and salt.
fn case(text: &str) -> Result<Digest, String> {
    let Some(path) = text.strip_prefix('@') else {
        return digest(text);
    };
    let failed = |what: &dyn std::fmt::Display| format!("{path}: {what}");
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|error| failed(&error))?;
    let part = |name: &str| value[name].as_str().unwrap_or_default();
    let salt = hex::decode(part("salt")).ok();
    let salt = salt.and_then(|salt| Salt::from_slice(&salt).ok());
    let salt = salt.ok_or_else(|| failed(&"no salt of 64 hex digits"))?;
    let case = Case::open(part("case"), salt).map_err(|error| failed(&error))?;
    Ok(case.commitment())
}

fn subject(text: &str) -> Result<Subject, String> {
    let (scheme, pseudonym) = text
        .split_once(':')
        .ok_or_else(|| "not of the form SCHEME:PSEUDONYM".to_owned())?;
    Ok(Subject {
        scheme: Part::parse(scheme).map_err(|error| error.to_string())?,
        pseudonym: digest(pseudonym)?,
    })
}

pub(in crate::args) fn exchange_id(text: &str) -> Result<ExchangeId, String> {
    ExchangeId::parse(text).ok_or_else(|| "not a UUIDv7".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_nothing_is_refused_with_what_would() {
        assert_eq!(kind("refusal"), Ok(Kind::Refusal));
        assert!(kind("refusals").unwrap_err().contains("refusal, late"));
        let hex = "ab".repeat(32);
        assert_eq!(case(&hex), digest(&hex));
        assert!(case("ab").is_err() && case("@/nowhere/at/all").is_err());
        let found = subject(&format!("nid:{hex}")).unwrap();
        assert_eq!(
            (found.scheme.as_str(), found.pseudonym.to_string()),
            ("nid", hex.clone())
        );
        for bad in [hex.as_str(), "nid:", "nid:abcd", &format!("=1:{hex}"), ":"] {
            assert!(subject(bad).is_err(), "{bad}");
        }
        assert!(party("EG/GOV").is_err() && party("EG/GOV/MOSS").is_ok());
    }
}
