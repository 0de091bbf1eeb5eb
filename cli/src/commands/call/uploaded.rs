//! `mohawel call --upload FILE`: a file of any length as the payload, sent in chunks as the provider takes them.

use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use adapters::Body;
use adapters::adapter::Adapter;
use adapters::consumer::{Ask, Broken, UploadError, Uploaded};
use proto::digest::Digest;
use serde_json::{Value, json};
use tokio::fs::File;
use tokio::net::unix::pipe;

use super::{kept, proof, settle, told};
use crate::commands::new_file::NewFile;
use crate::failure::Failure;
use crate::output::{Output, time_of_ms};

/// A file that is sent.
pub(super) struct Sending<'a> {
    pub(super) adapter: &'a Adapter,
    pub(super) path: &'a Path,
    pub(super) content_type: &'a str,
    pub(super) receipt: Option<NewFile>,
    pub(super) actor: Option<Digest>,
}

impl Sending<'_> {
    /// Sends, waits, prints the answer and what was sent.
    ///
    /// # Errors
    /// As `mohawel call`; what broke off counts for nothing and cannot be resumed.
    pub(super) async fn run(self, ask: Ask<'_>, output: Output) -> Result<(), Failure> {
        let body = self.body().await?;
        let bar = output.progress(0, "Bytes", "بايت");
        let progress = |done, all: Option<u64>| {
            bar.set_length(all.unwrap_or(done));
            bar.set_position(done);
        };
        let uploaded = ask.upload(self.content_type, body, progress).await;
        bar.finish_and_clear();
        kept(self.adapter, output).await;
        let uploaded = match uploaded {
            Ok(uploaded) => uploaded,
            Err(error) => {
                if output.json {
                    output.show(&error_json(&error), || {})?;
                }
                return Err(failure(&error));
            }
        };
        settle(self.adapter, output).await?;
        let answer = &uploaded.answer;
        let written = self
            .receipt
            .map(|file| file.write(&proof(&answer.receipt, &answer.envelope)?));
        print(&uploaded, self.path, self.actor, output)?;
        written.transpose().map(drop)
    }

    /// The file, and its length where it has one.
    async fn body(&self) -> Result<Body, Failure> {
        let path = match self.path.as_os_str() == "-" {
            true => Path::new("/dev/stdin"),
            false => self.path,
        };
        let opened = async {
            let file = File::open(path).await?;
            let about = file.metadata().await?;
            Ok((file, about))
        };
        let unread =
            |cause: std::io::Error| Failure::usage(format!("{}: {cause}", self.path.display()));
        let (file, about) = opened.await.map_err(unread)?;
        if about.is_dir() {
            return Err(unread(std::io::ErrorKind::IsADirectory.into()));
        }
        if about.file_type().is_fifo() {
            // A read of it that nobody answers would hold up the end of this command, also after all is lost.
            let pipe = pipe::Receiver::from_file(file.into_std().await).map_err(unread)?;
            return Ok(Body::new(pipe));
        }
        let body = Body::new(file);
        // A device says no length beforehand, and neither does an empty file.
        Ok(match about.is_file() && about.len() > 0 {
            true => body.of_length(about.len()),
            false => body,
        })
    }
}

fn print(
    uploaded: &Uploaded,
    path: &Path,
    actor: Option<Digest>,
    output: Output,
) -> Result<(), Failure> {
    let (answer, total) = (&uploaded.answer, &uploaded.total);
    let json = answer.json::<Value>().ok();
    let value = json!({
        "outcome": answer.status.name(),
        "exchange_id": answer.exchange_id.to_string(),
        "upload": path,
        "bytes": total.length,
        "chunks": total.count,
        "root": total.root.to_string(),
        "fields": answer.fields.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "content_type": answer.content_type,
        "payload": json,
        "payload_hex": if json.is_none() { Some(hex::encode(&answer.payload)) } else { None },
        "answered_at": time_of_ms(answer.header.answered_at_ms),
        "request_index": answer.request_index,
        "trailer_index": uploaded.trailer_index,
        "closing_index": answer.closing_index,
        "proven": true,
        "actor": actor.map(|actor| actor.to_string()),
    });
    let pretty = match &json {
        Some(json) => serde_json::to_string_pretty(json).map_err(Failure::unavailable)?,
        None => String::from_utf8_lossy(&answer.payload).into_owned(),
    };
    output.show(&value, || {
        output.line(pretty);
        output.line(format!(
            "{}  {} {}",
            path.display(),
            total.length,
            output.say("bytes sent", "بايت أُرسلت"),
        ));
        output.line(format!(
            "{} {}  {} {} + {} + {}  {}",
            output.say("exchange", "التبادل"),
            answer.exchange_id,
            output.say("entries", "القيود"),
            answer.request_index,
            uploaded.trailer_index,
            answer.closing_index,
            output.say("proof verified", "تم التحقق من الإثبات"),
        ));
    })
}

/// For machines: the exchange's own error, and how far it came.
fn error_json(error: &UploadError) -> Value {
    let mut value = match error.exchange() {
        Some(error) => told::error_json(error, None),
        None => json!({ "outcome": "not_sent" }),
    };
    if let (
        Some(members),
        UploadError::Void {
            exchange_id, sent, ..
        },
    ) = (value.as_object_mut(), error)
    {
        members.insert("exchange_id".to_owned(), exchange_id.to_string().into());
        members.insert("sent".to_owned(), (*sent).into());
        members.insert("resumable".to_owned(), false.into());
    }
    value
}

/// Why nothing that was sent counts.
fn failure(error: &UploadError) -> Failure {
    let (sent, reason) = match error {
        UploadError::Exchange(error) => return told::failure(error),
        UploadError::Void { sent, reason, .. } => (sent, reason),
    };
    let mut failure = match &**reason {
        Broken::Exchange(error) => told::failure(error),
        Broken::Body(cause) => Failure::usage(cause),
        Broken::Chunks(cause) => {
            Failure::usage(format!("the file changed while it was read: {cause}"))
        }
    };
    let [english, arabic] = &mut failure.what;
    *english = format!(
        "The upload broke off after {sent} bytes. It cannot be resumed: send the file again, from its beginning. {english}"
    );
    *arabic = format!(
        "انقطع الإرسال بعد {sent} بايت، ولا يمكن استئنافه: أرسل الملف من أوله مرة أخرى. {arabic}"
    );
    failure
}
