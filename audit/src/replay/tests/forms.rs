//! Payloads of other forms in a log that lies: sealed ones where the grant demands them, and items.

use proto::commitment::Form;
use proto::header::RequestHeader;

use super::*;

/// A request of `form` under a grant with `sensitivity`, let through and answered in the form `answered`.
async fn exchanged(sensitivity: Option<&str>, form: Form, answered: Form) -> Vec<&'static str> {
    let mut forger = match sensitivity {
        Some(word) => Forger::with_sensitivity(word).await,
        None => Forger::with_quota(0).await,
    };
    let header = of_form(&mut forger, form);
    let facts = forger.facts();
    let (request, seal) = forger.request(&header, facts).await;
    let mut answer = forger.answer(&header, &seal);
    answer.payload.form = answered;
    forger
        .close_with(forger.closing_facts(&request, "answered"), &answer)
        .await;
    forger.rules().await
}

fn of_form(forger: &mut Forger, form: Form) -> RequestHeader {
    let mut header = forger.header();
    header.payload.form = form;
    header
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_payload_under_a_grant_that_wants_it_sealed_is_found() {
    let wants = Some("restricted");
    let clean = exchanged(wants, Form::Sealed, Form::Sealed).await;
    assert_eq!(clean, Vec::<&str>::new());
    for form in [Form::Whole, Form::Items] {
        assert_eq!(exchanged(wants, form, form).await, [rule::DECISION]);
    }
    // Nor the answer, when the question was sealed.
    let rules = exchanged(wants, Form::Sealed, Form::Whole).await;
    assert_eq!(rules, [rule::ANSWER]);
    let rules = exchanged(None, Form::Whole, Form::Sealed).await;
    assert_eq!(rules, [rule::ANSWER]);
}

#[tokio::test(flavor = "multi_thread")]
async fn items_answered_by_one_thing_or_the_reverse_are_found() {
    let clean = exchanged(None, Form::Items, Form::Items).await;
    assert_eq!(clean, Vec::<&str>::new());
    let rules = exchanged(None, Form::Items, Form::Whole).await;
    assert_eq!(rules, [rule::ANSWER]);
    let rules = exchanged(None, Form::Whole, Form::Items).await;
    assert_eq!(rules, [rule::ANSWER]);
}

/// A segment's results under the request of another segment, as their provider sealed them; and a manifest exchanged under
/// the consumer's seal.
#[tokio::test(flavor = "multi_thread")]
async fn results_of_another_batch_and_another_manifest_under_the_same_seal_are_found() {
    let mut forger = Forger::with_quota(0).await;
    let mut asked = Vec::new();
    for _ in 0..2 {
        let header = of_form(&mut forger, Form::Items);
        let facts = forger.facts();
        let (request, seal) = forger.request(&header, facts).await;
        asked.push((request, header, seal));
    }
    let mut answer = forger.answer(&asked[0].1, &asked[0].2);
    answer.payload.form = Form::Items;
    forger
        .close_with(forger.closing_facts(&asked[1].0, "answered"), &answer)
        .await;
    let mut changed = of_form(&mut forger, Form::Items);
    let honest = changed.encode();
    let seal = Seal::one(label::REQUEST, ORIGIN, &honest, &forger.moss).unwrap();
    changed.payload.hmac = Digest::of(b"another manifest");
    let facts = facts::encode(&forger.facts());
    forger
        .append(Kind::Request, facts, changed.encode(), Some(seal))
        .await;
    assert_eq!(forger.rules().await, [rule::ANSWER, rule::SEAL]);
}
