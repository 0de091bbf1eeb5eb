//! Many things asked in one exchange: each item in its place, one result for each.
//!
//! Takes items, and of a segment where it stands in its batch. Gives their results, in their order, after everything about
//! the answer was proved. The side list says whom each names.

use bytes::Bytes;
use proto::digest::Digest;
use proto::items::{ItemResult, Place, leaves, pack};
use proto::limits::PAYLOAD_BYTES_MAX;

use super::outcome::{Answer, Attempt, ExchangeError};
use super::{Ask, Packed, Try, verify};

/// The results of items that were asked together.
#[derive(Clone, Debug)]
pub struct Results {
    /// The proved answer. Its payload holds all results.
    pub answer: Answer,
    /// One for each item, in their order.
    pub items: Vec<ItemResult>,
}

/// Which try the items of a segment are packed for, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    /// Its salt is that of the leaves.
    pub(crate) attempt: Attempt,
    /// Whether the attempt was made before, perhaps by another process: then this is a retry of it.
    pub(crate) again: bool,
    pub(crate) place: Option<Place>,
}

impl Ask<'_> {
    /// Asks many things in one exchange: seals, sends, waits, proves. 1 to [`proto::limits::ITEMS_MAX`] items, and at most a
    /// payload's bytes, which their results share too.
    ///
    /// # Errors
    /// [`ExchangeError`], as [`Ask::send`]; what one item's result says is none.
    pub async fn send_items<I: AsRef<[u8]>>(self, items: &[I]) -> Result<Results, ExchangeError> {
        let at = At {
            attempt: match self.attempt.or(self.first) {
                Some(attempt) => attempt,
                None => self.consumer.first_attempt()?,
            },
            again: self.attempt.is_some(),
            place: None,
        };
        let made = leaves(items, &at.attempt.salt);
        self.send_segment(items, &made, at).await
    }

    /// The media type of the items; `application/json` when not said.
    pub fn content_type(mut self, content_type: &str) -> Self {
        content_type.clone_into(&mut self.content_type);
        self
    }

    /// As [`Ask::send_items`], for items whose `leaves` were made under the attempt's salt.
    pub(crate) async fn send_segment<I: AsRef<[u8]>>(
        self,
        items: &[I],
        leaves: &[Digest],
        at: At,
    ) -> Result<Results, ExchangeError> {
        let (consumer, retries) = (self.consumer, self.retries);
        let unsent = |problem: String| ExchangeError::Unsent(problem);
        if !self.payload.is_empty() || !self.subjects.is_empty() {
            return Err(unsent(
                "items take the place of a payload and its subjects".to_owned(),
            ));
        }
        let mut draft = self.into_draft()?;
        draft.items = Some(Packed {
            manifest: Bytes::new(),
            count: items.len(),
        });
        // Under which agreement, says only the header.
        let header = consumer.header(&draft, &Try::first(at.attempt)).await?;
        let side = consumer.side_list(&header, &draft, items);
        let packed = pack(items, leaves, &side, at.place);
        let packed = packed.map_err(|error| unsent(error.to_string()))?;
        if packed.payload.len() > PAYLOAD_BYTES_MAX {
            return Err(unsent(format!(
                "{} items have {} bytes together, more than 1 MiB: ask for fewer at once",
                items.len(),
                packed.payload.len()
            )));
        }
        draft.payload = packed.payload;
        draft.items = Some(Packed {
            manifest: packed.manifest,
            count: items.len(),
        });
        let tries = match at.again {
            true => (Some(at.attempt), None),
            false => (None, Some(at.attempt)),
        };
        let answer = Box::pin(consumer.send(draft, tries, retries)).await?;
        match verify::results(&answer.envelope.payload, items.len()) {
            Ok(items) => Ok(Results { answer, items }),
            Err(reason) => Err(consumer.untrusted(reason, answer.exchange_id, None).await),
        }
    }
}
