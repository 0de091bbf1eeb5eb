//! Answers in chunks: the opening and the trailer, each against the request that it names. Requests in chunks: their trailer.

use proto::authorise::{self, AnswerFault};
use proto::commitment::Form;
use proto::header::{AnswerHeader, AnswerStatus, Outcome};
use proto::{Code, Digest};

use super::{About, Judge};
use crate::evidence::contents::Item;

impl<'a> Judge<'a> {
    pub(super) fn opening(&mut self, item: &'a Item) {
        let Some(facts) = self.facts(item) else {
            return;
        };
        let Some(at) = self.named(item, &facts) else {
            return;
        };
        if item.entry.header.is_empty() {
            return self.fault(item, About::Answer, "an opening without a sealed answer");
        }
        let Some(answer) = self.answer(item, at) else {
            return;
        };
        let header = Digest::of(&item.entry.header);
        let begun = self.requests.get_mut(&at).map(|asked| {
            let before = asked.begun.replace((header, answer.payload.length));
            before.is_some() || asked.ended
        });
        if begun == Some(true) || answer.payload.form != Form::Chunks {
            self.fault(
                item,
                About::Answer,
                "it opens what had begun or ended, or came in one piece",
            );
        }
    }

    pub(super) fn trailer(&mut self, item: &'a Item) {
        let Some(facts) = self.facts(item) else {
            return;
        };
        let Some(at) = self.named(item, &facts) else {
            return;
        };
        if Outcome::parse(&facts.code) != Some(Outcome::Answered) {
            let what = "a trailer ends what was answered, and its code says otherwise";
            self.fault(item, About::Switch, what);
        }
        self.judged.seals += 1;
        if let Err(what) = self.sealed_trailer(item, at) {
            let what = format!("the sealed trailer does not hold: {what}");
            self.fault(item, About::Answer, what);
        }
        self.end(item, at, &facts);
    }

    pub(super) fn upload_trailer(&mut self, item: &'a Item) {
        let Some(facts) = self.facts(item) else {
            return;
        };
        let Some(at) = self.named(item, &facts) else {
            return;
        };
        self.judged.seals += 1;
        if let Err(code) = self.sealed_upload_trailer(item, at) {
            let what = format!("the sealed trailer does not hold: {code}");
            self.fault(item, About::Seal, what);
        }
        let twice = self
            .requests
            .get_mut(&at)
            .is_some_and(|asked| std::mem::replace(&mut asked.is_trailed, true) || asked.ended);
        if twice {
            let what = format!("the chunks of the request at {at} had ended before");
            self.fault(item, About::Switch, what);
        }
    }

    /// What an answer in a closing entry must be where chunks went before it, or should have.
    pub(super) fn around_chunks(&mut self, item: &Item, at: u64, answer: Option<&AnswerHeader>) {
        let (Some(answer), Some(asked)) = (answer, self.requests.get(&at)) else {
            return;
        };
        let is_result = answer.status == AnswerStatus::Answered;
        let what = if asked.begun.is_some() {
            "an answer in chunks had begun, and it is answered once more"
        } else if answer.payload.form == Form::Chunks {
            // What it holds only a trailer says.
            "an answer in chunks is ended without its trailer"
        } else if asked.opened.is_upload() && !asked.is_trailed && is_result {
            "answered before all of its chunks came"
        } else {
            return;
        };
        self.fault(item, About::Answer, what);
    }

    fn sealed_upload_trailer(&self, item: &Item, at: u64) -> Result<(), Code> {
        let seal = item.entry.seal.as_ref().ok_or(Code::BadSeal)?;
        let asked = self.requests.get(&at).ok_or(Code::Malformed)?;
        let request = Digest::of(&asked.item.entry.header);
        let trailer = authorise::verify_upload_trailer(
            &self.registry,
            &asked.opened,
            &request,
            &item.entry.header,
            seal,
            None,
        )?;
        let announced = asked.opened.payload.length;
        match asked.opened.is_upload() && (announced == 0 || announced == trailer.length) {
            true => Ok(()),
            false => Err(Code::PayloadMismatch),
        }
    }

    fn sealed_trailer(&self, item: &Item, at: u64) -> Result<(), AnswerFault> {
        let seal = item.entry.seal.as_ref().ok_or(AnswerFault::Seal)?;
        let asked = self.requests.get(&at).ok_or(AnswerFault::OtherExchange)?;
        let (answer, announced) = asked.begun.ok_or(AnswerFault::OtherExchange)?;
        let trailer = authorise::verify_trailer(
            &self.registry,
            &asked.opened,
            &answer,
            &item.entry.header,
            seal,
            None,
        )?;
        if announced == 0 || announced == trailer.length {
            Ok(())
        } else {
            Err(AnswerFault::Malformed)
        }
    }
}
