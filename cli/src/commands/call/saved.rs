//! `mohawel call --output FILE`: the answer as a file, which is there whole and proved or not at all.

use std::path::Path;

use adapters::adapter::Adapter;
use adapters::consumer::{Ask, Saved, StreamError};
use proto::digest::Digest;
use serde_json::json;

use super::{kept, proof, settle, told};
use crate::commands::new_file::NewFile;
use crate::failure::{Exit, Failure};
use crate::output::{Output, time_of_ms};

/// An answer that is saved.
pub(super) struct Saving<'a> {
    pub(super) adapter: &'a Adapter,
    pub(super) path: &'a Path,
    pub(super) receipt: Option<NewFile>,
    pub(super) actor: Option<Digest>,
}

impl Saving<'_> {
    /// Asks, saves, prints what was saved.
    ///
    /// # Errors
    /// As `mohawel call`; a stream that is void leaves no file.
    pub(super) async fn run(self, ask: Ask<'_>, output: Output) -> Result<(), Failure> {
        let bar = output.progress(0, "Bytes", "بايت");
        let progress = |done, all: Option<u64>| {
            bar.set_length(all.unwrap_or(done));
            bar.set_position(done);
        };
        let saved = ask.to_file(self.path, progress).await;
        bar.finish_and_clear();
        kept(self.adapter, output).await;
        let saved = saved.map_err(|error| failure(&error))?;
        settle(self.adapter, output).await?;
        let (receipt, sealed) = match &saved.complete {
            Some(complete) => (&complete.receipt, &complete.trailer),
            None => (&saved.answer.receipt, &saved.answer.envelope),
        };
        let written = self
            .receipt
            .map(|file| file.write(&proof(receipt, sealed)?));
        print(&saved, self.path, self.actor, output)?;
        written.transpose().map(drop)
    }
}

fn print(saved: &Saved, path: &Path, actor: Option<Digest>, output: Output) -> Result<(), Failure> {
    let answer = &saved.answer;
    let total = saved.total();
    let ended = saved
        .complete
        .as_ref()
        .map_or(answer.closing_index, |complete| complete.trailer_index);
    let value = json!({
        "outcome": answer.status.name(),
        "exchange_id": answer.exchange_id.to_string(),
        "fields": answer.fields.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "content_type": answer.content_type,
        "output": path,
        "bytes": saved.length,
        "chunks": total.map(|total| total.count),
        "root": total.map(|total| total.root.to_string()),
        "answered_at": time_of_ms(answer.header.answered_at_ms),
        "request_index": answer.request_index,
        "closing_index": ended,
        "proven": true,
        "actor": actor.map(|actor| actor.to_string()),
    });
    output.show(&value, || {
        output.line(format!(
            "{}  {} {}",
            path.display(),
            saved.length,
            output.say("bytes", "بايت"),
        ));
        output.line(format!(
            "{} {}  {} {} + {}  {}",
            output.say("exchange", "التبادل"),
            answer.exchange_id,
            output.say("entries", "القيدان"),
            answer.request_index,
            ended,
            output.say("proof verified", "تم التحقق من الإثبات"),
        ));
    })
}

/// Why no file was saved.
fn failure(error: &StreamError) -> Failure {
    match error {
        StreamError::NotBegun(error) => told::failure(error),
        StreamError::Void {
            received, reason, ..
        } => {
            let mut failure = told::failure(reason);
            let [english, arabic] = &mut failure.what;
            *english = format!(
                "The answer broke off after {received} bytes, which count for nothing; no file was saved. {english}"
            );
            *arabic =
                format!("انقطعت الإجابة بعد {received} بايت لا يُعتدّ بها؛ ولم يُحفظ أي ملف. {arabic}");
            failure
        }
        StreamError::File { path, cause } => Failure::new(
            Exit::Usage,
            [
                format!("{} cannot be written: {cause}", path.display()),
                format!("تعذرت كتابة الملف {}: {cause}", path.display()),
            ],
            [
                "Name a new file in a folder with room for it.",
                "اذكر ملفًا جديدًا في مجلد يتسع له.",
            ],
        ),
    }
}
