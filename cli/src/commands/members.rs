//! `mohawel system` and `mohawel key`: what an agency that is on board does to its own systems and seal keys.

use std::path::{Path, PathBuf};

use adapters::enrol::join::card_of;
use adapters::enrol::{JoinOptions, SwitchCard, join};
use adapters::{Home, succession};
use audit::clock::Clock;
use proto::act::{AgencyAct, AgencyDeed, KeyEnd};
use proto::digest::Digest;
use proto::entry::Kind;
use proto::id::{Part, SystemId};
use proto::limits::label;
use proto::registry::{BoundKey, Registry};
use serde_json::{Value, json};

use super::operate::{self, membership};
use super::{act, registry};
use crate::args::{AuthorityKey, Key, System};
use crate::commands::adapter::{enrolling, text_or_file};
use crate::failure::Failure;
use crate::output::Output;

/// Runs one of the system commands.
///
/// # Errors
/// What the command cannot do.
pub async fn system(system: System, output: Output) -> Result<(), Failure> {
    match system {
        System::List(source) => list_systems(&*registry::read(&source).await?, output),
        System::Add {
            home,
            system,
            adapter,
            from,
            card,
            authority,
        } => {
            let place = Place { home, from, card };
            add(place, system, adapter, &authority, output).await
        }
        System::End {
            system,
            reason,
            home,
            authority,
        } => {
            let deed = AgencyDeed::EndSystem { system, reason };
            let told = ["The system is ended", "أُنهي النظام"];
            agency_act(&home, &authority, deed, told, output).await
        }
        System::Revoke(revoke) => membership::revoke_system(revoke, output).await,
    }
}

/// Runs one of the key commands.
///
/// # Errors
/// What the command cannot do.
pub async fn key(key: Key, output: Output) -> Result<(), Failure> {
    match key {
        Key::List(source) => list_keys(&*registry::read(&source).await?, output),
        Key::Succeed { home } => succeed(&home, output).await,
        Key::Retire { kid, home } => {
            let adapter = act::connect(&home).await?;
            let registry = adapter.mirror().snapshot();
            let present = adapter.home().signer().key().kid();
            let follows = registry
                .key(&present)
                .and_then(|key| key.follows)
                .ok_or_else(|| Failure::usage("the home's key followed no other one"))?;
            let kid = operate::find(&kid, [&follows].into_iter(), "mohawel key list")?;
            let index = succession::end_predecessor(&adapter, kid)
                .await
                .map_err(|error| succeeding(&error))?;
            tell_index(
                index,
                ["The older key is ended", "أُنهي المفتاح الأقدم"],
                output,
            )
        }
        Key::End {
            kid,
            reason,
            home,
            authority,
        } => end_key(&home, &authority, &kid, reason, output).await,
    }
}

/// An act of the agency on itself.
///
/// # Errors
/// As [`act::submit`].
pub async fn agency_act(
    home: &Path,
    authority: &AuthorityKey,
    deed: AgencyDeed,
    told: [&str; 2],
    output: Output,
) -> Result<(), Failure> {
    let authority = act::authority(home, authority, output)?;
    let adapter = act::connect(home).await?;
    let header = AgencyAct {
        agency: adapter.home().system().agency(),
        issued_at_ms: adapter.clock().now_ms(),
        deed,
    }
    .encode();
    AgencyAct::open(&header).map_err(Failure::usage)?;
    let receipt = act::submit(
        &adapter,
        &authority,
        Kind::AgencyAct,
        label::AUTHORITY,
        header,
    )
    .await?;
    tell_index(receipt.index, told, output)
}

fn tell_index(index: u64, [english, arabic]: [&str; 2], output: Output) -> Result<(), Failure> {
    output.show(&json!({ "index": index }), || {
        output.line(format!(
            "{} ({} {index})",
            output.say(english, arabic),
            output.say("entry", "القيد"),
        ));
    })
}

/// Where a new adapter is made, and how its switch is found.
struct Place {
    home: PathBuf,
    from: Option<PathBuf>,
    card: Option<String>,
}

async fn add(
    place: Place,
    system: SystemId,
    adapter: Part,
    given: &AuthorityKey,
    output: Output,
) -> Result<(), Failure> {
    let (card, authority_path) = match (&place.from, &place.card) {
        (Some(from), _) => {
            let from = Home::open(from).map_err(Failure::usage)?;
            let path = given
                .authority
                .clone()
                .unwrap_or_else(|| from.authority_path());
            (card_of(&from), path)
        }
        (None, Some(card)) => {
            let path = given
                .authority
                .clone()
                .ok_or_else(|| Failure::usage("give the agency's key with --authority FILE"))?;
            let card = SwitchCard::parse(&text_or_file(card)?).map_err(Failure::usage)?;
            (card, path)
        }
        // The command line asks for one of them.
        (None, None) => return Err(Failure::usage("give --from HOME or --card CARD")),
    };
    let authority = act::open(&authority_path, given, output)?;
    let joined = join(JoinOptions {
        home: place.home,
        card,
        system,
        adapter,
        authority: &authority,
        authority_path,
        clock: Clock::System,
    })
    .await
    .map_err(|error| enrolling(&error))?;
    if let Some(from) = &place.from {
        let from = Home::open(from).map_err(Failure::usage)?;
        // Neither raises an alarm over the other. One that could not be told raises one, and is acknowledged.
        if let Err(error) = adapters::alarm::introduce(&from, &joined.home, Clock::System.now_ms())
        {
            output.note(error.to_string());
        }
    }
    let value = json!({
        "system": joined.home.system().to_string(),
        "adapter": joined.home.config().adapter.to_string(),
        "home": joined.home.dir().display().to_string(),
        "seal_kid": joined.seal_kid.to_string(),
        "key_index": joined.indexes[0],
        "certificate_index": joined.indexes[1],
    });
    output.show(&value, || {
        output.line(format!(
            "{} {} {} ({} {}, {})",
            joined.home.system(),
            output.say("is on board; its keys are in", "مسجّل الآن؛ ومفاتيحه في"),
            joined.home.dir().display(),
            output.say("entries", "القيدان"),
            joined.indexes[0],
            joined.indexes[1],
        ));
    })
}

async fn succeed(home: &Path, output: Output) -> Result<(), Failure> {
    let adapter = act::connect(home).await?;
    let succeeded = succession::succeed(&adapter)
        .await
        .map_err(|error| succeeding(&error))?;
    let value = json!({
        "kid": succeeded.kid.to_string(),
        "predecessor": succeeded.predecessor.to_string(),
        "index": succeeded.index,
    });
    let minutes = succession::UNDER_WAY.as_secs().div_ceil(60);
    output.show(&value, || {
        output.line(format!(
            "{} {} ({} {})",
            output.say("The seal key is now", "مفتاح الختم الآن"),
            succeeded.kid.short(),
            output.say("entry", "القيد"),
            succeeded.index
        ));
        output.line(format!(
            "{} {minutes} {}: mohawel key retire {} --home {}",
            output.say(
                "Start the adapter again, and no sooner than",
                "أعد تشغيل المحوّل الطرفي، وبعد ما لا يقل عن"
            ),
            output.say("minutes after that", "دقائق من ذلك"),
            succeeded.predecessor.short(),
            home.display()
        ));
    })
}

/// Why there is no next seal key, with the exit code that fits.
fn succeeding(error: &succession::SuccessionError) -> Failure {
    use succession::SuccessionError;
    match error {
        SuccessionError::Switch(status) => super::refused::failure(status),
        SuccessionError::NoReceipt | SuccessionError::Receipt(_) | SuccessionError::Proof(_) => {
            Failure::untrusted(error)
        }
        SuccessionError::Mirror(_) | SuccessionError::Sealer(_) | SuccessionError::Seal(_) => {
            Failure::unavailable(error)
        }
        SuccessionError::Home(_) | SuccessionError::Reason => Failure::usage(error),
    }
}

async fn end_key(
    home: &Path,
    authority: &AuthorityKey,
    kid: &str,
    reason: Part,
    output: Output,
) -> Result<(), Failure> {
    let authority = act::authority(home, authority, output)?;
    let adapter = act::connect(home).await?;
    let registry = adapter.mirror().snapshot();
    let agency = adapter.home().system().agency();
    let own: Vec<Digest> = registry
        .keys()
        .filter(|key| key.system.belongs_to(&agency) && key.ended.is_none())
        .map(|key| key.key.kid())
        .collect();
    let kid = operate::find(kid, own.iter(), "mohawel key list")?;
    let system = registry
        .key(&kid)
        .map(|key| key.system.clone())
        .ok_or_else(|| Failure::usage("there is no such key"))?;
    let header = KeyEnd {
        system,
        kid,
        reason,
        issued_at_ms: adapter.clock().now_ms(),
    }
    .encode();
    let receipt = act::submit(
        &adapter,
        &authority,
        Kind::KeyEnded,
        label::AUTHORITY,
        header,
    )
    .await?;
    let told = [
        "The key is ended; what it sealed before stays evidence",
        "أُنهي المفتاح؛ ويبقى ما ختمه من قبل دليلًا",
    ];
    tell_index(receipt.index, told, output)
}

fn list_systems(registry: &Registry, output: Output) -> Result<(), Failure> {
    let adapters = |id: &SystemId| {
        let mut names: Vec<String> = registry
            .keys()
            .filter(|key| key.system == *id && key.ended.is_none())
            .map(|key| key.adapter.to_string())
            .collect();
        names.sort();
        names.dedup();
        names
    };
    let value: Vec<Value> = registry
        .systems()
        .map(|system| {
            json!({
                "system": system.id.to_string(),
                "adapters": adapters(&system.id),
                "index": system.index,
                "ended": system.ended.as_ref().map(|(index, reason)| json!({ "index": index, "reason": reason.to_string() })),
            })
        })
        .collect();
    output.show(&value, || {
        output.table(
            [
                output.say("system", "النظام"),
                output.say("adapters", "المحوّلات الطرفية"),
                output.say("state", "الحالة"),
                output.say("entry", "القيد"),
            ],
            registry.systems().map(|system| {
                let state = system.ended.as_ref().map_or_else(
                    || output.say("on board", "مسجّل").to_owned(),
                    |(_, reason)| format!("{}: {reason}", output.say("ended", "منتهٍ")),
                );
                [
                    system.id.to_string(),
                    adapters(&system.id).join(" "),
                    state,
                    system.index.to_string(),
                ]
            }),
        );
    })
}

fn list_keys(registry: &Registry, output: Output) -> Result<(), Failure> {
    let mut keys: Vec<&BoundKey> = registry.keys().collect();
    keys.sort_by_key(|key| key.index);
    let value: Vec<Value> = keys
        .iter()
        .map(|key| {
            json!({
                "kid": key.key.kid().to_string(),
                "system": key.system.to_string(),
                "adapter": key.adapter.to_string(),
                "algorithm": key.key.algorithm().name(),
                "follows": key.follows.map(|kid| kid.to_string()),
                "index": key.index,
                "ended": key.ended.as_ref().map(|(index, reason)| json!({ "index": index, "reason": reason.to_string() })),
            })
        })
        .collect();
    output.show(&value, || {
        output.table(
            [
                output.say("seal key", "مفتاح الختم"),
                output.say("system", "النظام"),
                output.say("adapter", "المحوّل الطرفي"),
                output.say("follows", "يتبع"),
                output.say("state", "الحالة"),
                output.say("entry", "القيد"),
            ],
            keys.iter().map(|key| {
                let state = key.ended.as_ref().map_or_else(
                    || output.say("bound", "مربوط").to_owned(),
                    |(index, reason)| {
                        format!("{} {index}: {reason}", output.say("ended at", "انتهى عند"))
                    },
                );
                [
                    key.key.kid().short(),
                    key.system.to_string(),
                    key.adapter.to_string(),
                    key.follows.map(|kid| kid.short()).unwrap_or_default(),
                    state,
                    key.index.to_string(),
                ]
            }),
        );
    })
}
