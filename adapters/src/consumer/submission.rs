//! Submissions: a question left with the switch for a provider that may not be there, and its answer collected later.
//!
//! ```text
//! ask → seal to the provider → kept in the home → Exchange.Submit → the request's entry proved
//! later, also by another run: Exchange.Collect → everything that a call's answer is proved by → let go, there and here
//! ```
//!
//! What opens the answer is made with the question and lies in the home, owner-only, until the answer was read: nobody else
//! can read it. Whoever sends the same again, because no receipt came, sends the very same bytes. `docs/protocol.md` §3, "Submissions".

use std::time::Duration;

use audit::receipt::Receipt;
use proto::commitment::Form;
use proto::entry::Kind;
use proto::facts;
use proto::header::{AnswerStatus, RequestHeader};
use proto::id::ExchangeId;
use proto::limits::{DEADLINE_MS_MAX, SUBMISSION_MS_MAX};
use proto::refusal::Code;
use proto::wire::exchange::v1 as wire;
use tonic::{Request, Status};

mod keeping;

pub use keeping::{Kept, KeptError};

use super::noted::Noted;
use super::outcome::{Answer, ExchangeError};
use super::send::GRACE;
use super::{Ask, Consumer, Try, refusal, verify};
use crate::connection::Backoff;
use crate::journal::JournalError;
use crate::sealer::Sealed;

/// How often the same bytes are sent while the switch cannot be reached.
const SENDS: u32 = 3;
/// How long the switch may take to record a submission.
const RECORDED_WITHIN: Duration = Duration::from_secs(30);

/// A question that the switch holds.
#[derive(Clone, Debug)]
pub struct Submitted {
    /// What it is collected by.
    pub exchange_id: ExchangeId,
    /// The receipt of the request's entry, proved. Absent where an earlier sending of the same had got through.
    pub receipt: Option<Receipt>,
    /// How it stands.
    pub standing: wire::Submission,
}

/// What collecting brings.
#[derive(Debug)]
pub enum Collected {
    /// The answer, proved like any other. The switch has let go of it.
    Answered(Box<Answer>),
    /// Not here: not yet, or collected before.
    Not(wire::Submission),
}

impl Ask<'_> {
    /// Leaves the question with the switch, sealed to its provider, to be answered within `within`: over two minutes, up to
    /// 30 days. What collects its answer is durable in the home before anything leaves. The deadline of [`Ask::deadline`] does not count here.
    ///
    /// # Errors
    /// [`ExchangeError`]; after [`ExchangeError::Transport`] the home still keeps it, and [`Consumer::submit_again`] sends the same.
    pub async fn submit(self, within: Duration) -> Result<Submitted, ExchangeError> {
        let consumer = self.consumer;
        let within_ms = u32::try_from(within.as_millis()).unwrap_or(u32::MAX);
        if !(DEADLINE_MS_MAX + 1..=SUBMISSION_MS_MAX).contains(&within_ms) {
            return Err(ExchangeError::Unsent(
                "a submission waits for more than two minutes and at most 30 days; what is wanted sooner is a call"
                    .to_owned(),
            ));
        }
        let attempt = self.attempt;
        let mut draft = self.into_draft()?;
        draft.deadline_ms = within_ms;
        draft.sealed = true;
        consumer.adapter.standing().hold()?;
        let unwritable = |error: JournalError| ExchangeError::Unsent(error.to_string());
        consumer
            .adapter
            .journal()
            .room()
            .await
            .map_err(unwritable)?;
        let try_ = consumer.new_try(attempt)?;
        let header = consumer.header(&draft, &try_).await?;
        let sealed = consumer.adapter.sealer().request(header.clone()).await?;
        let outgoing = consumer.outgoing(&draft, &header, &sealed, &try_)?;
        let Some(opening) = outgoing.opening else {
            return Err(ExchangeError::Unsent("it was not sealed".to_owned()));
        };
        let noted = Noted::asked(consumer, &header, &sealed);
        let kept = Kept {
            envelope: outgoing.envelope,
            salt: try_.salt,
            opening,
        };
        let folder = consumer.adapter.home().dir();
        kept.write(folder, try_.id)
            .map_err(|error| ExchangeError::Unsent(error.to_string()))?;
        consumer
            .adapter
            .journal()
            .synced()
            .await
            .map_err(unwritable)?;
        let submitted = consumer.leave(&kept, &header, &try_).await;
        match &submitted {
            Ok(submitted) => noted.submitted(submitted.receipt.as_ref(), &try_, &draft.payload),
            Err(error) => {
                noted.ended(Err(error), &try_, &draft.payload);
                // Refused is refused; of what broke off nobody knows.
                if matches!(error, ExchangeError::Refused(_)) {
                    Kept::forget(folder, try_.id);
                }
            }
        }
        submitted
    }
}

impl Consumer {
    /// Sends a submission once more of which no receipt came: the very same bytes.
    ///
    /// # Errors
    /// As [`Ask::submit`]; [`ExchangeError::Unsent`] where the home keeps none of this id.
    pub async fn submit_again(&self, exchange: ExchangeId) -> Result<Submitted, ExchangeError> {
        let (kept, header, try_) = self.kept(exchange)?;
        self.leave(&kept, &header, &try_).await
    }

    async fn leave(
        &self,
        kept: &Kept,
        header: &RequestHeader,
        try_: &Try,
    ) -> Result<Submitted, ExchangeError> {
        let sealed = kept.sealed();
        let mut backoff = Backoff::default();
        let mut left = SENDS;
        loop {
            left -= 1;
            let mut request = Request::new(wire::SubmitRequest {
                envelope: Some(kept.envelope.to_wire()),
            });
            request.set_timeout(RECORDED_WITHIN);
            let mut client = self.adapter.connection().exchange();
            let sent = client.submit(request);
            let error = match tokio::time::timeout(RECORDED_WITHIN + GRACE, sent).await {
                Ok(Ok(response)) => {
                    return self.received(response.into_inner(), header, &sealed, try_);
                }
                Ok(Err(status)) => refusal::read(&status, &sealed, try_, &self.adapter),
                Err(_) => ExchangeError::Transport {
                    reason: "the switch gave no receipt in time".to_owned(),
                    attempt: try_.attempt(),
                },
            };
            self.adapter.standing().hold()?;
            // An earlier sending got through: it is there.
            if error.code() == Some(Code::Duplicate)
                && let Some(standing) = self.standing_of(try_.id).await?
            {
                return Ok(Submitted {
                    exchange_id: try_.id,
                    receipt: None,
                    standing,
                });
            }
            if left == 0 || !matches!(error, ExchangeError::Transport { .. }) {
                return Err(error);
            }
            tokio::time::sleep(backoff.next_wait()).await;
        }
    }

    /// The receipt proves that the log holds this request, let through.
    fn received(
        &self,
        response: wire::SubmitResponse,
        header: &RequestHeader,
        sealed: &Sealed,
        try_: &Try,
    ) -> Result<Submitted, ExchangeError> {
        let untrusted = |reason| ExchangeError::Untrusted {
            reason,
            exchange_id: try_.id,
            disputed: false,
        };
        let malformed = |part| untrusted(verify::Untrusted::Malformed(part));
        let receipt = response.receipt.ok_or_else(|| malformed("receipt"))?;
        let receipt = Receipt::from_wire(receipt).map_err(|_| malformed("receipt"))?;
        let standing = response
            .submission
            .filter(|standing| standing.exchange_id[..] == header.exchange_id.as_bytes()[..])
            .ok_or_else(|| malformed("submission"))?;
        let proven = self
            .adapter
            .prove(&receipt, &sealed.header, Some(&sealed.seal));
        let proven = proven.map_err(|error| {
            tracing::error!(exchange = %try_.id, %error, "a submission's receipt does not hold");
            malformed("receipt")
        })?;
        let permitted = facts::exchange(&proven.entry.facts).is_ok_and(|said| said.code.is_empty());
        if proven.entry.kind != Kind::Request || !permitted {
            return Err(untrusted(verify::Untrusted::OtherKind(
                proven.entry.kind.name(),
            )));
        }
        Ok(Submitted {
            exchange_id: try_.id,
            receipt: Some(receipt),
            standing,
        })
    }

    /// The answer to a submission that this home keeps, waited for up to `wait`, a minute at most. Once it is proved and in
    /// the home's journal, the switch is told to let go of it.
    ///
    /// # Errors
    /// [`ExchangeError`]: it ended without an answer, the answer is not trusted, or the switch is not reached.
    pub async fn collect(
        &self,
        exchange: ExchangeId,
        wait: Duration,
    ) -> Result<Collected, ExchangeError> {
        let (kept, header, try_) = self.kept(exchange)?;
        self.adapter.standing().hold()?;
        let unwritable = |error: JournalError| ExchangeError::Unsent(error.to_string());
        self.adapter.journal().room().await.map_err(unwritable)?;
        let sealed = kept.sealed();
        let noted = Noted::again(self, &header);
        let response = match self.collected(exchange, wait, false).await {
            Ok(wire::collect_response::Outcome::Answered(response)) => response,
            Ok(wire::collect_response::Outcome::Submission(standing)) => {
                return Ok(Collected::Not(standing));
            }
            Err(status) => {
                let error = refusal::read(&status, &sealed, &try_, &self.adapter);
                self.adapter.standing().hold()?;
                if let ExchangeError::Refused(refused) = &error
                    && refused.proven
                {
                    noted.ended(Err(&error), &try_, &bytes::Bytes::new());
                    self.adapter.journal().synced().await.map_err(unwritable)?;
                    Kept::forget(self.adapter.home().dir(), exchange);
                }
                return Err(error);
            }
        };
        let trusted = match verify::open(response) {
            Ok(returned) => {
                // Its end was recorded at any time since: it need not lie behind what the log signed by now.
                self.trust(returned, Kind::Closing, 0, (&header, &sealed))
                    .await
            }
            Err(reason) => Err(reason),
        };
        let answer = match trusted {
            Ok(answer) => answer,
            Err(reason) => return Err(self.untrusted(reason, exchange, None).await),
        };
        let answer = self.opened(answer, Some(&kept.opening)).await?;
        noted.collected(&answer);
        self.adapter.journal().synced().await.map_err(unwritable)?;
        // Whoever is cut off here collects once more.
        if let Err(status) = self.collected(exchange, Duration::ZERO, true).await {
            tracing::warn!(exchange = %exchange, code = ?status.code(), "the switch was not told that an answer was collected");
        }
        Kept::forget(self.adapter.home().dir(), exchange);
        if answer.status == AnswerStatus::Answered {
            Ok(Collected::Answered(Box::new(answer)))
        } else {
            Err(ExchangeError::Provider {
                status: answer.status,
                answer: Box::new(answer),
            })
        }
    }

    /// How all submissions of this system stand, as the switch says; the oldest first.
    ///
    /// # Errors
    /// The status, where the switch is not reached.
    pub async fn submissions(&self) -> Result<Vec<wire::Submission>, Status> {
        let mut client = self.adapter.connection().exchange();
        let mut request = Request::new(wire::SubmissionsRequest {});
        request.set_timeout(RECORDED_WITHIN);
        let response = client.submissions(request).await?.into_inner();
        Ok(response.submissions)
    }

    /// Takes back a submission that waits.
    ///
    /// # Errors
    /// [`ExchangeError`]: it is not known, has ended, or is being answered at this moment.
    pub async fn withdraw(&self, exchange: ExchangeId) -> Result<Receipt, ExchangeError> {
        let (kept, header, try_) = self.kept(exchange)?;
        let mut client = self.adapter.connection().exchange();
        let mut request = Request::new(wire::WithdrawRequest {
            exchange_id: exchange.as_bytes().to_vec().into(),
        });
        request.set_timeout(RECORDED_WITHIN);
        let response = client
            .withdraw(request)
            .await
            .map_err(|status| refusal::read(&status, &kept.sealed(), &try_, &self.adapter))?;
        let malformed = || ExchangeError::Untrusted {
            reason: verify::Untrusted::Malformed("receipt"),
            exchange_id: exchange,
            disputed: false,
        };
        let receipt = response.into_inner().receipt;
        let receipt = receipt
            .and_then(|receipt| Receipt::from_wire(receipt).ok())
            .ok_or_else(malformed)?;
        let names_it = facts::exchange(&receipt.facts)
            .is_ok_and(|said| said.exchange_id[..] == exchange.as_bytes()[..]);
        let holds = receipt.kind == Kind::Closing
            && names_it
            && self
                .adapter
                .prove(&receipt, &bytes::Bytes::new(), None)
                .is_ok();
        if !holds {
            return Err(malformed());
        }
        Noted::again(self, &header).withdrawn(&receipt);
        Kept::forget(self.adapter.home().dir(), exchange);
        Ok(receipt)
    }

    async fn standing_of(
        &self,
        exchange: ExchangeId,
    ) -> Result<Option<wire::Submission>, ExchangeError> {
        let all = self.submissions().await.unwrap_or_default();
        let own = |standing: &wire::Submission| standing.exchange_id[..] == exchange.as_bytes()[..];
        Ok(all.into_iter().find(own))
    }

    async fn collected(
        &self,
        exchange: ExchangeId,
        wait: Duration,
        taken: bool,
    ) -> Result<wire::collect_response::Outcome, Status> {
        let mut client = self.adapter.connection().exchange();
        let mut request = Request::new(wire::CollectRequest {
            exchange_id: exchange.as_bytes().to_vec().into(),
            wait_ms: u32::try_from(wait.as_millis()).unwrap_or(u32::MAX),
            taken,
        });
        request.set_timeout(wait + RECORDED_WITHIN);
        let response = client.collect(request).await?.into_inner();
        response
            .outcome
            .ok_or_else(|| Status::internal("the switch sent no outcome"))
    }

    /// What the home keeps of a submission, as this system sealed it.
    fn kept(&self, exchange: ExchangeId) -> Result<(Kept, RequestHeader, Try), ExchangeError> {
        let unsent = |why: String| ExchangeError::Unsent(why);
        let kept = Kept::read(self.adapter.home().dir(), exchange)
            .map_err(|error| unsent(error.to_string()))?;
        let header = RequestHeader::open(&kept.envelope.header)
            .map_err(|error| unsent(error.to_string()))?;
        let own = header.consumer == *self.adapter.home().system()
            && header.exchange_id == exchange
            && header.payload.form == Form::Sealed;
        if !own {
            return Err(unsent(format!(
                "what this home keeps as submission {exchange} is another one"
            )));
        }
        let try_ = Try {
            id: exchange,
            attempt_of: header.attempt_of,
            salt: kept.salt,
        };
        Ok((kept, header, try_))
    }
}
