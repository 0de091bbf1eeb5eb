//! Further adapters, systems and administrators of an agency that is on board.

use proto::act::{AgencyAct, AgencyDeed};

use super::*;

fn join(kind: Kind, act: &Envelope, tls: &TlsKey) -> wire::JoinRequest {
    wire::JoinRequest {
        kind: u32::from(kind as u8),
        act: Some(act.to_wire()),
        certificate_request: request::make(tls).unwrap().into(),
    }
}

fn administrator(agency: &Applicant, name: &str, ended: bool, issued_at_ms: u64) -> Envelope {
    let act = AgencyAct {
        agency: agency.agency.clone(),
        issued_at_ms,
        deed: AgencyDeed::Administrator {
            name: part(name),
            ended,
        },
    };
    sealed(label::AUTHORITY, act.encode(), &agency.authority_key)
}

async fn newcomer(site: &Site, switch: &Switch) -> EnrolmentClient<Channel> {
    EnrolmentClient::new(site.connect_newcomer(switch).await)
}

async fn restarted(site: &Site, switch: Switch) -> Switch {
    switch.shutdown().await.unwrap();
    site.start().await
}

fn chain_of(answer: wire::JoinResponse) -> String {
    String::from_utf8(answer.certificate_chain.to_vec()).unwrap()
}

#[tokio::test]
async fn a_further_adapter_joins_and_a_lost_answer_is_made_again_for_its_tls_key_only() {
    let site = Site::found().await;
    let switch = site.start().await;
    let moss = Applicant::new(MOSS);
    on_board(&site, &switch, &moss).await;
    let (seal, tls) = (seal_key(), TlsKey::generate().unwrap());
    let act = moss.binding(&seal);
    newcomer(&site, &switch)
        .await
        .join(join(Kind::KeyBound, &act, &tls))
        .await
        .unwrap();

    let switch = restarted(&site, switch).await;
    let mut door = newcomer(&site, &switch).await;
    // Everybody who reads the registry has the act.
    let reader = TlsKey::generate().unwrap();
    let stolen = door.join(join(Kind::KeyBound, &act, &reader)).await;
    assert_eq!(refused(stolen).1, "key_reused");
    let entries = switch.log().head().size();
    let answer = door
        .join(join(Kind::KeyBound, &act, &tls))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(switch.log().head().size(), entries + 1);
    assert_eq!(answer.receipts.len(), 2);
    let receipt = Receipt::from_wire(answer.receipts[0].clone()).unwrap();
    receipt
        .verify(&act.header, Some(&act.seal), switch.log().key())
        .unwrap();
    let channel = site.connect(&switch, &chain_of(answer), &tls).await;
    LogClient::new(channel)
        .checkpoint(audit_wire::CheckpointRequest {})
        .await
        .unwrap();
    switch.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_administrator_joins_carries_acts_renews_and_is_gone_with_the_seat() {
    let site = Site::found().await;
    let switch = site.start().await;
    let (moss, civil) = (Applicant::new(MOSS), Applicant::new(CIVIL));
    let (member, _) = on_board(&site, &switch, &moss).await;
    on_board(&site, &switch, &civil).await;
    let tls = TlsKey::generate().unwrap();
    let act = administrator(&moss, "samia", false, NOW_MS);
    let answer = newcomer(&site, &switch)
        .await
        .join(join(Kind::AgencyAct, &act, &tls))
        .await
        .unwrap()
        .into_inner();
    let chain = chain_of(answer);
    let channel = site.connect(&switch, &chain, &tls).await;
    let mut samia = AgenciesClient::new(channel.clone());

    let own = acts::submission(Kind::Service, &acts::service(&moss, NOW_MS));
    samia.submit(own).await.unwrap();
    let anothers = acts::submission(Kind::Service, &acts::service(&civil, NOW_MS));
    assert_eq!(
        refused(samia.submit(anothers).await),
        (Code::PermissionDenied, "wrong_signer".into())
    );
    let renewal = wire::RenewRequest {
        certificate_request: request::make(&TlsKey::generate().unwrap()).unwrap().into(),
    };
    let renewed = samia.renew(renewal).await.unwrap().into_inner();
    let leaf = certs::pem::decode_chain(&renewed.certificate_chain).unwrap();
    let registry = switch.registry().load();
    let recorded = registry.certificate(&Digest(certs::sha256(&leaf[0])));
    assert_eq!(
        recorded.unwrap().uri,
        "spiffe://switch.example/administrator/EG/GOV/MOSS/samia"
    );

    // The seat is taken: what is connected goes, what comes is nobody.
    let end = administrator(&moss, "samia", true, NOW_MS + 1);
    AgenciesClient::new(member)
        .submit(acts::submission(Kind::AgencyAct, &end))
        .await
        .unwrap();
    let deaf = Duration::from_secs(5);
    let told = tokio::time::timeout(deaf, async {
        loop {
            let asked = LogClient::new(channel.clone())
                .checkpoint(audit_wire::CheckpointRequest {})
                .await;
            match asked.unwrap_err() {
                // The connection broke under the call; the next one dials again and is told.
                broken if broken.get_error_details().error_info().is_none() => {}
                status => return reason(&status),
            }
        }
    });
    assert_eq!(told.await.unwrap(), "unknown_peer");
    switch.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_does_not_join_is_refused_and_leaves_nothing() {
    let site = Site::found().await;
    let switch = site.start().await;
    let moss = Applicant::new(MOSS);
    on_board(&site, &switch, &moss).await;
    let entries = switch.log().head().size();
    let mut door = newcomer(&site, &switch).await;
    let tls = TlsKey::generate().unwrap();
    let seat = administrator(&moss, "samia", false, NOW_MS);
    let forged = sealed(label::AUTHORITY, seat.header.clone(), &seal_key());
    let ended = administrator(&moss, "samia", true, NOW_MS);
    let mut unrequested = join(Kind::AgencyAct, &seat, &tls);
    unrequested.certificate_request = Bytes::new();
    for (request, word) in [
        (join(Kind::AgencyAct, &forged, &tls), "bad_seal"),
        (join(Kind::AgencyAct, &ended, &tls), "malformed"),
        (join(Kind::KeyBound, &seat, &tls), "malformed"),
        (
            join(Kind::Service, &acts::service(&moss, NOW_MS), &tls),
            "malformed",
        ),
        (unrequested, "bad_request"),
        (wire::JoinRequest::default(), "malformed"),
    ] {
        assert_eq!(refused(door.join(request).await).1, word);
    }
    assert_eq!(switch.log().head().size(), entries);
    switch.shutdown().await.unwrap();
}
