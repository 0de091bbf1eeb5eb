//! `mohawel adapter encryption-key`: make the key with which this system opens what others seal to it, and bind it.
//!
//! The secret half is on disk, durable, before the entry is asked for: whatever ends this process in between, nobody seals to
//! a key that nobody has.

use std::sync::Arc;

use adapters::sealed::{EncryptionKeyError, OpeningKey};
use audit::receipt::Receipt;
use proto::act::EncryptionKeyBinding;
use proto::entry::Kind;
use proto::key::Signer;
use proto::limits::label;
use serde_json::json;

use crate::args::NewEncryptionKey;
use crate::commands::act;
use crate::failure::Failure;
use crate::output::Output;

/// Makes a key and binds it to the home's system.
///
/// # Errors
/// A usage failure for a key file that cannot be written; as [`act::submit`].
pub async fn run(args: &NewEncryptionKey, output: Output) -> Result<(), Failure> {
    let authority = act::authority(&args.home, &args.authority, output)?;
    let adapter = act::connect(&args.home).await?;
    let older = adapter.mirror().snapshot();
    let older = older
        .encryption_key(adapter.home().system())
        .map(|record| record.binding.key.kid());
    let (made, receipt) = bind(&adapter, &authority).await?;
    let path = adapter.encryption_keys().path(&made.key().kid());
    let file = path.display();
    let value = json!({
        "system": adapter.home().system().to_string(),
        "kid": made.key().kid().to_string(),
        "file": file.to_string(),
        "index": receipt.index,
        "follows": older.map(|kid| kid.to_string()),
    });
    output.show(&value, || {
        output.line(format!(
            "{} {} ({} {})",
            output.say(
                "From now on others seal to the key",
                "يُعمَّى المحتوى من الآن للمفتاح"
            ),
            made.key().kid().short(),
            output.say("entry", "القيد"),
            receipt.index
        ));
        output.line(format!("{}: {file}", output.say("Its file", "ملفه")));
        output.line(output.say(
            "Copy the file to every other adapter of this system, into its folder encryption, and back it up.",
            "انسخ الملف إلى كل محوّل طرفي آخر لهذا النظام في مجلد encryption، واحفظ نسخة احتياطية منه.",
        ));
        if older.is_some() {
            output.line(output.say(
                "Keep the older file for a day: who has not seen the new entry still seals to it.",
                "احتفظ بالملف الأقدم يومًا: من لم يرَ القيد الجديد ما زال يعمّي له.",
            ));
        }
    })
}

/// Makes a key in the adapter's home and has it bound to its system.
///
/// # Errors
/// As [`run`].
pub async fn bind(
    adapter: &adapters::Adapter,
    authority: &dyn Signer,
) -> Result<(Arc<OpeningKey>, Receipt), Failure> {
    let made = adapter
        .encryption_keys()
        .make()
        .map_err(|error| match error {
            EncryptionKeyError::Sealed(_) => Failure::unavailable(error),
            _ => Failure::usage(error),
        })?;
    let header = EncryptionKeyBinding {
        system: adapter.home().system().clone(),
        key: *made.key(),
        issued_at_ms: adapter.clock().now_ms(),
    }
    .encode();
    let (kind, label) = (Kind::EncryptionKeyBound, label::ENCRYPTION_KEY);
    let receipt = act::submit(adapter, authority, kind, label, header).await?;
    Ok((made, receipt))
}
