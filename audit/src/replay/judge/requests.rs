//! Requests: whether each was let through as the rules say, and what counts by request.

use proto::authorise;
use proto::facts::ExchangeFacts;
use proto::header::RequestHeader;
use proto::limits::WINDOW_MS_MAX;
use proto::reviews::Waiting;
use proto::{Code, Digest};

use super::{Exchange, Judge};
use crate::replay::counts::Gap;
use crate::replay::docket::Sealed;
use crate::replay::pairing::{Recorded, Use};
use crate::replay::prepare::Header;
use crate::replay::{Event, rule};

impl Judge<'_> {
    pub(super) fn request(&mut self, mut exchange: Exchange<'_>, event: &mut Event) {
        let Some((opened, kid)) = self.sealed_request(&mut exchange, event) else {
            return;
        };
        self.of_its_kind(&exchange, &opened);
        let (index, facts) = (exchange.index, &exchange.facts);
        let judged = authorise::authorise(&self.registry, &opened, facts.decided_at_ms);
        match &judged {
            Ok(permission) => {
                let same = facts.agreement[..] == permission.agreement.0[..]
                    && facts.grant == permission.grant;
                if !same {
                    self.fault(
                        index,
                        rule::DECISION,
                        "recorded under another grant than the one that permits it",
                    );
                }
                self.count(index, facts, permission.daily_quota);
                self.broken_glass(&exchange, &opened, permission.wants_review);
            }
            Err(denial) => {
                let detail = format!(
                    "let through, but {} ({}) refuses it",
                    denial.code, denial.clause
                );
                self.fault(index, rule::DECISION, detail);
            }
        }
        if let Err(code) = authorise::locate(&self.registry, &opened) {
            self.fault(
                index,
                rule::DECISION,
                format!("let through, but its service is {code}"),
            );
        }
        self.count_agency(index, facts, &opened);
        if judged.is_ok() {
            self.suppose(&exchange, &opened, &judged);
        }
        let peer = Digest::from_slice(&facts.peer_sha256);
        let connects = |peer| self.registry.may_connect(&opened.consumer, &peer);
        if let Some(Err(code)) = peer.map(connects) {
            let detail = format!("let through over a certificate that may not connect: {code}");
            self.fault(index, rule::DECISION, detail);
        }
        self.check_fresh(index, facts, &opened);
        self.follow(kid, &opened, index);
        let (used, id) = (self.used(&exchange), opened.exchange_id);
        if !self.pairing.use_id(&opened.consumer, id, used) {
            let detail = "this system recorded a request with this exchange id before";
            self.fault(index, rule::DUPLICATE, detail);
        }
        let [header_sha256, seal_sha256] = exchange.digests;
        self.pairing.begin(Recorded {
            index,
            leaf: exchange.leaf,
            recorded_at_us: exchange.entry.stamp.recorded_at_us,
            header_sha256,
            seal_sha256,
            agreement: event.agreement,
            grant: exchange.facts.grant,
            sealed_by: kid,
            ended_us: None,
            opening: None,
            is_trailed: false,
            opened,
        });
    }

    /// One in chunks is an upload, and no other is.
    fn of_its_kind(&mut self, exchange: &Exchange<'_>, opened: &RequestHeader) {
        let kind = opened.kind();
        if kind != exchange.entry.kind {
            let detail = format!("its header is that of an entry of kind {}", kind.name());
            self.fault(exchange.index, rule::FACTS, detail);
        }
    }

    /// Opens the sealed request of a request or refusal entry. Its signature is verified meanwhile.
    pub(super) fn sealed_request(
        &mut self,
        exchange: &mut Exchange<'_>,
        event: &mut Event,
    ) -> Option<(Box<RequestHeader>, Digest)> {
        let index = exchange.index;
        if exchange.entry.seal.is_none() {
            self.fault(index, rule::SEAL, "a request without a seal");
            return None;
        }
        let opened = match std::mem::take(&mut exchange.header) {
            Header::Request(opened) => opened,
            _ => Err(Code::Malformed),
        };
        let judged = opened.and_then(|opened| {
            let head = exchange.sealed.take().ok_or(Code::BadSeal)?;
            let key = self.registry.seal_key(&head.kid(), &opened.consumer)?;
            Ok((opened, head, key))
        });
        match judged {
            Ok((opened, head, key)) => {
                let kid = head.kid();
                self.docket.verify(Sealed {
                    index,
                    label: opened.label(),
                    key,
                    head,
                    rule: rule::SEAL,
                    detail: "the sealed request does not hold: bad_seal",
                });
                if self.told {
                    event.describe(&opened);
                }
                self.check_seen(index, opened.seen);
                Some((opened, kid))
            }
            Err(code) => {
                let detail = format!("the sealed request does not hold: {code}");
                self.fault(index, rule::SEAL, detail);
                None
            }
        }
    }

    pub(super) fn used(&self, exchange: &Exchange<'_>) -> Use {
        Use {
            recorded_at_us: exchange.entry.stamp.recorded_at_us,
            decided_at_ms: exchange.facts.decided_at_ms,
            header_sha256: exchange.digests[0],
        }
    }

    fn count(&mut self, index: u64, facts: &ExchangeFacts, daily_quota: u64) {
        if daily_quota == 0 {
            return;
        }
        let Some(agreement) = Digest::from_slice(&facts.agreement) else {
            return;
        };
        let used = self
            .days
            .count_grant(agreement, facts.grant, facts.decided_at_ms);
        if used > daily_quota || facts.quota_used == 0 || facts.quota_used > daily_quota {
            let detail = format!(
                "request {used} of the day under a quota of {daily_quota}, counted as {}",
                facts.quota_used
            );
            self.fault(index, rule::QUOTA, detail);
        }
    }

    /// A request under a break-glass grant: nothing was owed from before, and from now on it waits.
    fn broken_glass(&mut self, exchange: &Exchange<'_>, opened: &RequestHeader, broken: bool) {
        if !broken {
            return;
        }
        let (facts, stamp) = (&exchange.facts, &exchange.entry.stamp);
        let (consumer, provider) = (opened.consumer.agency(), opened.provider.agency());
        let since = self
            .reviews
            .overdue_since(&consumer, &provider, facts.decided_at_ms);
        if let Some(since_ms) = since {
            let detail = format!(
                "let through under a break-glass grant, but a review between {consumer} and {provider} is overdue since {since_ms} ms"
            );
            self.fault(exchange.index, rule::REVIEW, detail);
        }
        if let Some(agreement) = Digest::from_slice(&facts.agreement) {
            let waiting = Waiting::of(
                opened,
                (agreement, facts.grant),
                exchange.leaf,
                stamp.recorded_at_ms(),
            );
            self.reviews.begin(exchange.index, waiting);
        }
    }

    /// Every agency is counted: operators may set a quota in the middle of a day.
    fn count_agency(&mut self, index: u64, facts: &ExchangeFacts, opened: &RequestHeader) {
        let agency = opened.consumer.agency();
        let known = self.registry.agency(&agency);
        let daily_quota = known.map_or(0, |known| known.daily_quota);
        let used = self.days.count_agency(agency, facts.decided_at_ms);
        if daily_quota > 0 && used > daily_quota {
            let detail =
                format!("request {used} of its agency's day, under a quota of {daily_quota}");
            self.fault(index, rule::QUOTA, detail);
        }
    }

    /// An old request that is let through again would be one that its system never made.
    fn check_fresh(&mut self, index: u64, facts: &ExchangeFacts, opened: &RequestHeader) {
        let off_ms = facts.decided_at_ms.abs_diff(opened.issued_at_ms);
        if off_ms > WINDOW_MS_MAX {
            let detail =
                format!("let through {off_ms} ms away from the time that it was sealed at");
            self.fault(index, rule::TIME, detail);
        }
    }

    /// Follows the sequence numbers of adapter runs.
    pub(super) fn follow(&mut self, kid: Digest, opened: &RequestHeader, index: u64) {
        let gaps = self
            .runs
            .follow((kid, opened.run_id), opened.sequence, index);
        for gap in gaps {
            self.gap(gap);
        }
    }

    pub(super) fn gap(&mut self, gap: Gap) {
        let run = hex::encode(&gap.run[..4]);
        let detail = format!(
            "run {run}… sealed {} requests, {} of them are not here; ask the agency for the rest",
            gap.largest, gap.missing
        );
        self.notice(None, rule::SEQUENCE, detail);
    }
}
