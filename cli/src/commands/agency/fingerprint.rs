//! `mohawel agency fingerprint`: what administrators compare with the operator, on paper or over the telephone.

use std::path::Path;

use certs::Fingerprint;
use proto::key::{PublicKey, Signer as _};
use serde_json::{Value, json};

use crate::args::AuthorityKey;
use crate::commands::act;
use crate::failure::Failure;
use crate::output::Output;

/// Prints the fingerprint of the key that `given` or the home names. Asks no switch.
///
/// # Errors
/// As [`act::authority`].
pub(super) fn run(
    home: Option<&Path>,
    given: &AuthorityKey,
    output: Output,
) -> Result<(), Failure> {
    let signer = match (&given.authority, home) {
        (Some(path), _) => act::open(path, given, output)?,
        (None, Some(home)) => act::authority(home, given, output)?,
        // The command line asks for one of them.
        (None, None) => return Err(Failure::usage("give --authority FILE or --home DIR")),
    };
    let key = signer.key();
    output.show(&json(key), || {
        for line in lines(key, output) {
            output.line(line);
        }
    })
}

/// The fingerprint in its grouped form: what tables show.
pub fn of(key: &PublicKey) -> String {
    Fingerprint::of_kid(key.kid().0).to_string()
}

/// The two lines that `agency fingerprint`, `agency show` and `adapter enrol` print alike.
pub fn lines(key: &PublicKey, output: Output) -> [String; 2] {
    let fingerprint = Fingerprint::of_kid(key.kid().0);
    [
        format!(
            "{}: {fingerprint}",
            output.say("authority key", "مفتاح السلطة")
        ),
        format!(
            "{}: {}",
            output.say("by telephone", "للقراءة هاتفيًا"),
            fingerprint.spoken()
        ),
    ]
}

/// The same for machines.
pub fn json(key: &PublicKey) -> Value {
    let fingerprint = Fingerprint::of_kid(key.kid().0);
    json!({
        "authority_kid": key.kid().to_string(),
        "fingerprint": fingerprint.to_string(),
        "by_telephone": fingerprint.spoken(),
    })
}
