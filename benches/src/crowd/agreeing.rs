//! Agreements between founded agencies: one, or a country's, in which every agency has one with every other.
//!
//! Takes who asks whom. Gives the proposal of whoever answers and the acceptance of whoever asks, each sealed alone by its
//! agency's own key, as people make them one after the other. Many are sealed on all cores and appended together.

use std::thread::available_parallelism;

use anyhow::anyhow;
use bytes::Bytes;
use cli::bench::ours::{OPERATION, ORIGIN, PURPOSE};
use proto::act::{AgreementAct, AgreementContent, ConsumerScope, Grant, Step};
use proto::commitment::Salt;
use proto::entry::{Draft, Kind};
use proto::facts::RegistryFacts;
use proto::id::{Part, SystemId};
use proto::limits::label;
use proto::seal::Seal;

use super::{DAY_MS, Founded, Founding, draft};

/// Agreements whose acts are made, and then appended, together: the log's queue has room for twice as many acts.
const TOGETHER: usize = 1_024;
/// Fields that a country's agreements grant; nobody here asks for any.
const FIELDS: [&str; 5] = ["address", "birth", "income", "name_ar", "name_en"];

/// The fewest agencies among which so many agreements have room, each at most once from one to another.
pub(crate) fn agencies_of(agreements: usize) -> usize {
    let mut count = 2;
    while count * (count - 1) < agreements {
        count += 1;
    }
    count
}

/// Who asks and who answers, by their places: first everybody else the first, then the second, until there are enough.
fn pairs(agreements: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = agencies_of(agreements);
    let all = (0..count).flat_map(move |provider| {
        let others = (0..count).filter(move |consumer| *consumer != provider);
        others.map(move |consumer| (consumer, provider))
    });
    all.take(agreements)
}

impl Founding {
    /// `provider` proposes that `consumer` may ask its `system`, and `consumer` accepts.
    pub(crate) async fn agree(
        &self,
        consumer: &Founded,
        provider: &Founded,
        system: &SystemId,
    ) -> anyhow::Result<()> {
        let drafts = self.agreed(consumer, provider, system, Vec::new())?;
        self.append_all(drafts.into()).await
    }

    /// So many agreements among `agencies`, of whom [`agencies_of`] says how many there must be. Everybody else may ask the first.
    /// `done` hears how many there are, a few thousand at a time.
    pub(crate) async fn country(
        &self,
        agencies: &[Founded],
        agreements: usize,
        system: &Part,
        mut done: impl FnMut(usize),
    ) -> anyhow::Result<()> {
        let pairs: Vec<(usize, usize)> = pairs(agreements).collect();
        let mut made = 0;
        for together in pairs.chunks(TOGETHER) {
            let drafts = self.sealed_side_by_side(agencies, together, system)?;
            self.append_all(drafts).await?;
            made += together.len();
            done(made);
        }
        Ok(())
    }

    /// The acts of all these agreements in order, made on all cores.
    fn sealed_side_by_side(
        &self,
        agencies: &[Founded],
        pairs: &[(usize, usize)],
        system: &Part,
    ) -> anyhow::Result<Vec<Draft>> {
        let one = |(consumer, provider): &(usize, usize)| -> anyhow::Result<[Draft; 2]> {
            let at = |place: usize| {
                agencies
                    .get(place)
                    .ok_or_else(|| anyhow!("too few agencies"))
            };
            let (consumer, provider) = (at(*consumer)?, at(*provider)?);
            let fields = FIELDS.iter().map(|field| Part::parse(field));
            let fields = fields.collect::<Result<Vec<_>, _>>()?;
            self.agreed(consumer, provider, &provider.id.system(system), fields)
        };
        let some = |pairs: &[(usize, usize)]| -> anyhow::Result<Vec<[Draft; 2]>> {
            pairs.iter().map(one).collect()
        };
        let cores = available_parallelism().map_or(1, usize::from);
        let each = pairs.len().div_ceil(cores).max(1);
        let made: Vec<anyhow::Result<_>> = std::thread::scope(|scope| {
            let threads: Vec<_> = pairs
                .chunks(each)
                .map(|pairs| scope.spawn(move || some(pairs)))
                .collect();
            let joined = threads.into_iter().map(|thread| {
                let failed = |_| anyhow!("agreements could not be sealed");
                thread.join().map_err(failed)?
            });
            joined.collect()
        });
        let mut drafts = Vec::with_capacity(2 * pairs.len());
        for made in made {
            drafts.extend(made?.into_iter().flatten());
        }
        Ok(drafts)
    }

    /// A proposal and its acceptance, in this order.
    fn agreed(
        &self,
        consumer: &Founded,
        provider: &Founded,
        system: &SystemId,
        fields: Vec<Part>,
    ) -> anyhow::Result<[Draft; 2]> {
        let mut nonce = [0; 16];
        nonce.copy_from_slice(&Salt::random()?.0[..16]);
        let content = AgreementContent {
            nonce,
            origin: ORIGIN.to_owned(),
            consumer: ConsumerScope::Agency(consumer.id.clone()),
            provider: provider.id.clone(),
            grants: vec![Grant {
                system: system.clone(),
                service: Part::parse("echo.v1")?,
                operations: vec![Part::parse(OPERATION)?],
                purposes: vec![Part::parse(PURPOSE)?],
                fields,
                legal_basis: "A measurement without data".to_owned(),
                daily_quota: 0,
                retention_days: 1,
                rate_per_s: 0,
                row_scope: Vec::new(),
                delegation_depth: 0,
                licence: String::new(),
                sensitivity: None,
            }],
            not_before_ms: self.now_ms,
            not_after_ms: self.now_ms + DAY_MS,
            supersedes: None,
        };
        let proposal = AgreementAct {
            step: Step::Propose,
            agreement: content.id(),
            previous: None,
            agency: provider.id.clone(),
            issued_at_ms: self.now_ms,
            content: content.encode(),
        };
        let acceptance = AgreementAct {
            step: Step::Accept,
            previous: Some(proposal.id()),
            agency: consumer.id.clone(),
            content: Bytes::new(),
            ..proposal.clone()
        };
        let act = |act: &AgreementAct, by: &Founded| -> anyhow::Result<Draft> {
            let header = act.encode();
            let seal = Seal::one(label::ACT, ORIGIN, &header, &by.authority)?;
            let facts = RegistryFacts::default();
            Ok(draft(Kind::AgreementAct, facts, header, Some(seal)))
        };
        Ok([act(&proposal, provider)?, act(&acceptance, consumer)?])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_country_has_as_many_agencies_as_its_agreements_need() {
        for (agreements, agencies) in [(2, 2), (3, 3), (10, 4), (1_000, 33), (100_000, 317)] {
            assert_eq!(agencies_of(agreements), agencies, "{agreements}");
        }
    }

    #[test]
    fn everybody_may_ask_the_first_and_nobody_agrees_twice() {
        for agreements in [10, 1_000, 100_000] {
            let pairs: Vec<(usize, usize)> = pairs(agreements).collect();
            let different: BTreeSet<&(usize, usize)> = pairs.iter().collect();
            assert_eq!((pairs.len(), different.len()), (agreements, agreements));
            assert!(
                pairs
                    .iter()
                    .all(|(consumer, provider)| consumer != provider)
            );
            let count = agencies_of(agreements);
            let first: Vec<usize> = pairs[..count - 1].iter().map(|pair| pair.0).collect();
            assert_eq!(first, (1..count).collect::<Vec<_>>());
            assert!(
                pairs[..count - 1]
                    .iter()
                    .all(|(_, provider)| *provider == 0)
            );
            let places = pairs.iter().flat_map(|(one, other)| [one, other]);
            assert!(places.into_iter().all(|place| *place < count));
        }
    }
}
