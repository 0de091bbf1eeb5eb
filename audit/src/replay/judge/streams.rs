//! Answers in chunks: the opening, once and before the end; the trailer, which ends the exchange and fits the opening. And
//! requests in chunks: their trailer, once, before the answer.
//!
//! The chunks themselves are not in the log. What a trailer says of them is the word of who sent them, under its seal.

use proto::Code;
use proto::authorise::{self, AnswerFault};
use proto::commitment::Form;
use proto::header::{Outcome, TrailerHeader};
use proto::limits::{DEADLINE_MS_MAX, STREAM_MS_MAX, label};

use super::endings::Answered;
use super::{Exchange, Judge};
use crate::replay::docket::Sealed;
use crate::replay::pairing::{Named, Opening, Recorded};
use crate::replay::prepare::Header;
use crate::replay::{Event, RECORD_DELAY_MS, rule};

impl Judge<'_> {
    pub(super) fn opening(&mut self, mut exchange: Exchange<'_>, event: &mut Event) {
        let index = exchange.index;
        let Some((request, ended)) = self.named_request(&exchange, event) else {
            return;
        };
        if ended {
            let detail = format!("the request at {} had ended before", request.index);
            self.fault(index, rule::PAIRING, detail);
        }
        if !exchange.facts.code.is_empty() {
            self.fault(
                index,
                rule::FACTS,
                "an opening ends nothing, and has a code",
            );
        }
        self.same_grant(&exchange, &request, event);
        // The request's deadline is that of the opening; the hour after it is the chunks'.
        let now_us = exchange.entry.stamp.recorded_at_us;
        let took_ms = now_us.saturating_sub(request.recorded_at_us) / 1_000;
        if took_ms > u64::from(DEADLINE_MS_MAX) + RECORD_DELAY_MS {
            let detail = format!("opened {took_ms} ms after its request");
            self.fault(index, rule::TIME, detail);
        }
        let Some(answer) = self.sealed_answer(&mut exchange, &request) else {
            if exchange.entry.header.is_empty() {
                self.fault(index, rule::ANSWER, "an opening without a sealed answer");
            }
            return;
        };
        if answer.0.payload.form != Form::Chunks {
            self.fault(
                index,
                rule::ANSWER,
                "opened, and the sealed answer came in one piece",
            );
        }
        let opening = Opening {
            header_sha256: exchange.digests[0],
            length: answer.0.payload.length,
        };
        if self.pairing.open_stream(request.index, opening).is_some() {
            self.fault(
                index,
                rule::PAIRING,
                "an answer to this request had begun before",
            );
        }
        self.note_opened(request.index, now_us);
    }

    pub(super) fn trailer(&mut self, mut exchange: Exchange<'_>, event: &mut Event) {
        let index = exchange.index;
        let now_us = exchange.entry.stamp.recorded_at_us;
        let named = self.pairing.end(exchange.facts.request_index, now_us);
        let ended = matches!(named, Named::Ended);
        let Some(request) = self.recorded(named, &exchange, event) else {
            return;
        };
        if ended {
            let detail = format!("the request at {} had ended before", request.index);
            return self.fault(index, rule::PAIRING, detail);
        }
        if Outcome::parse(&exchange.facts.code) != Some(Outcome::Answered) {
            self.fault(
                index,
                rule::FACTS,
                "a trailer ends what was answered, and its code says otherwise",
            );
        }
        self.same_grant(&exchange, &request, event);
        let took_ms = now_us.saturating_sub(request.recorded_at_us) / 1_000;
        if took_ms > STREAM_MS_MAX + u64::from(DEADLINE_MS_MAX) + RECORD_DELAY_MS {
            let detail = format!("ended {took_ms} ms after its request");
            self.fault(index, rule::TIME, detail);
        }
        self.outlived(index, &request, now_us);
        match self.sealed_trailer(&mut exchange, &request) {
            Ok(trailer) => {
                self.check_seen(index, trailer.seen);
                let announced = request.opening.as_ref().map_or(0, |opening| opening.length);
                if announced != 0 && announced != trailer.length {
                    let detail = format!(
                        "{announced} bytes were announced, the trailer says {}",
                        trailer.length
                    );
                    self.fault(index, rule::ANSWER, detail);
                }
            }
            Err(fault) => {
                let detail = format!("the sealed trailer does not hold: {fault}");
                self.fault(index, rule::ANSWER, detail);
            }
        }
    }

    pub(super) fn upload_trailer(&mut self, mut exchange: Exchange<'_>, event: &mut Event) {
        let index = exchange.index;
        let Some((request, ended)) = self.named_request(&exchange, event) else {
            return;
        };
        if ended {
            let detail = format!("the request at {} had ended before", request.index);
            return self.fault(index, rule::PAIRING, detail);
        }
        if !request.opened.is_upload() {
            let detail = format!("the request at {} came in one piece", request.index);
            return self.fault(index, rule::PAIRING, detail);
        }
        if self.pairing.trail(request.index) {
            let detail = "the chunks of this request had ended before";
            self.fault(index, rule::PAIRING, detail);
        }
        if !exchange.facts.code.is_empty() {
            let detail = "the trailer of a request ends no exchange, and has a code";
            self.fault(index, rule::FACTS, detail);
        }
        self.same_grant(&exchange, &request, event);
        let took_ms = exchange.entry.stamp.recorded_at_us;
        let took_ms = took_ms.saturating_sub(request.recorded_at_us) / 1_000;
        if took_ms > STREAM_MS_MAX + u64::from(DEADLINE_MS_MAX) + RECORD_DELAY_MS {
            let detail = format!("its chunks ended {took_ms} ms after it");
            self.fault(index, rule::TIME, detail);
        }
        match self.sealed_upload_trailer(&mut exchange, &request) {
            Ok(trailer) => {
                self.check_seen(index, trailer.seen);
                let announced = request.opened.payload.length;
                if announced != 0 && announced != trailer.length {
                    let detail = format!(
                        "{announced} bytes were announced, the trailer says {}",
                        trailer.length
                    );
                    self.fault(index, rule::FACTS, detail);
                }
            }
            Err(code) => {
                let detail = format!("the sealed trailer does not hold: {code}");
                self.fault(index, rule::SEAL, detail);
            }
        }
    }

    /// What an answer in a closing entry must be where chunks went before it, or should have.
    pub(super) fn around_chunks(
        &mut self,
        index: u64,
        answer: Option<&Answered>,
        request: &Recorded,
    ) {
        let Some(answer) = answer else { return };
        let detail = if request.opening.is_some() {
            "an answer in chunks had begun, and it is answered once more"
        } else if answer.0.payload.form == Form::Chunks {
            // What it holds only a trailer says.
            "an answer in chunks is ended without its trailer"
        } else if request.opened.is_upload() && !request.is_trailed && answer.is_result() {
            // It may be refused at any time.
            "answered before all of its chunks came"
        } else {
            return;
        };
        self.fault(index, rule::ANSWER, detail);
    }

    /// The trailer of this request's own chunks. Its signature is verified meanwhile.
    fn sealed_upload_trailer(
        &mut self,
        exchange: &mut Exchange<'_>,
        request: &Recorded,
    ) -> Result<Box<TrailerHeader>, Code> {
        let Header::Trailer(Some(trailer)) = std::mem::take(&mut exchange.header) else {
            return Err(Code::Malformed);
        };
        let head = exchange.sealed.take().ok_or(Code::BadSeal)?;
        let consumer = &request.opened.consumer;
        let key = self.registry.seal_key(&head.kid(), consumer)?;
        self.docket.verify(Sealed {
            index: exchange.index,
            label: label::UPLOAD_TRAILER,
            key,
            head,
            rule: rule::SEAL,
            detail: "the sealed trailer does not hold: bad_seal",
        });
        authorise::trails(&request.opened, &request.header_sha256, &trailer)
            .map_err(|_| Code::PayloadMismatch)?;
        Ok(trailer)
    }

    /// The trailer, of the answer that had begun. Its signature is verified meanwhile.
    fn sealed_trailer(
        &mut self,
        exchange: &mut Exchange<'_>,
        request: &Recorded,
    ) -> Result<Box<TrailerHeader>, AnswerFault> {
        let Header::Trailer(Some(trailer)) = std::mem::take(&mut exchange.header) else {
            return Err(AnswerFault::Malformed);
        };
        let opening = request.opening.as_ref().ok_or(AnswerFault::OtherExchange)?;
        let head = exchange.sealed.take().ok_or(AnswerFault::Seal)?;
        let key = self
            .registry
            .seal_key(&head.kid(), &request.opened.provider)
            .map_err(|_| AnswerFault::Seal)?;
        self.docket.verify(Sealed {
            index: exchange.index,
            label: label::TRAILER,
            key,
            head,
            rule: rule::ANSWER,
            detail: "the sealed trailer does not hold: seal",
        });
        authorise::trails(&request.opened, &opening.header_sha256, &trailer)?;
        Ok(trailer)
    }

    pub(super) fn same_grant(
        &mut self,
        exchange: &Exchange<'_>,
        request: &Recorded,
        event: &Event,
    ) {
        if request.agreement != event.agreement || request.grant != exchange.facts.grant {
            self.fault(
                exchange.index,
                rule::FACTS,
                "the ending names another grant than its request",
            );
        }
    }
}
