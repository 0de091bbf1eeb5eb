//! Evidence of what crossed a border: the bundle carries what let it across, and nothing of other countries.

use proto::act::{BorderAct, BorderDeed, InstanceAdmission};
use proto::limits::label;

use super::*;
use crate::replay::tests::abroad::{crossed, refused_abroad};
use crate::replay::tests::forger::part;

/// The deeds at the border that a bundle has.
fn deeds(bundle: &Bundle) -> Vec<&'static str> {
    let entries = bundle.files().iter().filter_map(|(name, bytes)| {
        let entry = name.ends_with(".entry").then(|| bytes.clone())?;
        proto::entry::Entry::decode(&entry).ok()
    });
    let acts = entries.filter(|entry| entry.kind == Kind::BorderAct);
    acts.map(|entry| BorderAct::open(&entry.header).unwrap().deed.name())
        .collect()
}

#[tokio::test]
async fn what_crossed_is_proved_with_the_admission_and_the_opening_that_let_it() {
    let (mut forger, request, header) = crossed().await;
    let other = BorderAct {
        issued_at_ms: 1,
        deed: BorderDeed::Admit(InstanceAdmission {
            operator: part("nour"),
            instance: part("SA"),
            name_ar: "السعودية".to_owned(),
            name_en: "Saudi Arabia".to_owned(),
            legal_basis: "Treaty 8".to_owned(),
        }),
    };
    forger
        .act(Kind::BorderAct, label::BORDER, other.encode(), 201)
        .await;
    let logged = Logged::closed(forger, request.index, header).await;
    let bundle = logged.bundle();
    let report = verify(&bundle, &logged.trust());
    assert!(report.holds(), "{:#?}", report.verdicts);
    assert_eq!(state(&report, "decisions"), State::Holds);
    assert_eq!(deeds(&bundle), ["instance_admission", "opening_abroad"]);
    let (good, said) = check(&bundle, &[]);
    assert!(good, "{said}");
}

#[tokio::test]
async fn a_refusal_at_the_border_is_evidence_too() {
    let (forger, refusal, header) = refused_abroad().await;
    let logged = Logged::closed(forger, refusal.index, header).await;
    let bundle = logged.bundle();
    let report = verify(&bundle, &logged.trust());
    assert!(report.holds(), "{:#?}", report.verdicts);
    let withdrawn = [
        "instance_admission",
        "opening_abroad",
        "instance_withdrawal",
    ];
    assert_eq!(deeds(&bundle), withdrawn);
}
