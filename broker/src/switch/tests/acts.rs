//! Members: acts, renewals, mirrors, checkpoints and proofs, and who is told.

use super::*;

pub(super) fn service(applicant: &Applicant, issued_at_ms: u64) -> Envelope {
    let operation = Operation {
        name: part("get"),
        name_ar: "بحث".into(),
        name_en: "Get".into(),
        fields: vec![part("name")],
        method: String::new(),
        path: String::new(),
        request_schema: Bytes::new(),
        answer_schema: Bytes::new(),
        subjects: Vec::new(),
    };
    let definition = ServiceDefinition {
        system: applicant.system.clone(),
        service: part("persons.v1"),
        name_ar: "الأشخاص".into(),
        name_en: "Persons".into(),
        operations: vec![operation],
        issued_at_ms,
        owner_contact: String::new(),
        sensitivity: None,
    };
    sealed(
        label::AUTHORITY,
        definition.encode(),
        &applicant.authority_key,
    )
}

pub(super) fn submission(kind: Kind, envelope: &Envelope) -> wire::SubmitRequest {
    wire::SubmitRequest {
        kind: u32::from(kind as u8),
        envelope: Some(envelope.to_wire()),
    }
}

#[tokio::test]
async fn acts_are_carried_by_their_own_agency_and_seen_live_by_every_member() {
    let site = Site::found().await;
    let switch = site.start().await;
    let (moss, civil) = (Applicant::new(MOSS), Applicant::new(CIVIL));
    let (moss_channel, _) = on_board(&site, &switch, &moss).await;
    let (civil_channel, _) = on_board(&site, &switch, &civil).await;

    let mut log = LogClient::new(moss_channel.clone());
    let mut mirror = log
        .registry(audit_wire::RegistryRequest { from: 0 })
        .await
        .unwrap()
        .into_inner();
    let mut mirrored = proto::registry::Registry::empty();
    for _ in 0..switch.registry().load().size() {
        let message = mirror.message().await.unwrap().unwrap();
        mirrored
            .apply(message.index, &Entry::decode(&message.entry).unwrap())
            .unwrap();
    }
    assert!(mirrored.agency(&civil.agency).is_some());

    let mut agencies = AgenciesClient::new(civil_channel.clone());
    let publication = service(&civil, NOW_MS);
    let receipt = agencies
        .submit(submission(Kind::Service, &publication))
        .await
        .unwrap()
        .into_inner()
        .receipt;
    let receipt = Receipt::from_wire(receipt.unwrap()).unwrap();
    receipt
        .verify(
            &publication.header,
            Some(&publication.seal),
            switch.log().key(),
        )
        .unwrap();
    let live = mirror.message().await.unwrap().unwrap();
    assert_eq!(live.index, receipt.index);
    mirrored
        .apply(live.index, &Entry::decode(&live.entry).unwrap())
        .unwrap();
    assert_eq!(mirrored.services().count(), 1);
    switch.shutdown().await.unwrap();
    let ended = mirror_end(&mut mirror)
        .await
        .expect("a mirror is told why it ends");
    assert_eq!(
        (ended.code(), reason(&ended).as_str()),
        (Code::Unavailable, "draining")
    );
}

#[tokio::test]
async fn an_act_that_its_own_agency_did_not_seal_or_carry_is_refused() {
    let site = Site::found().await;
    let switch = site.start().await;
    let (moss, civil) = (Applicant::new(MOSS), Applicant::new(CIVIL));
    let (moss_channel, _) = on_board(&site, &switch, &moss).await;
    let (civil_channel, _) = on_board(&site, &switch, &civil).await;
    let mut agencies = AgenciesClient::new(civil_channel);
    let publication = service(&civil, NOW_MS);
    agencies
        .submit(submission(Kind::Service, &publication))
        .await
        .unwrap();
    let entries = switch.log().head().size();
    let by_another = AgenciesClient::new(moss_channel)
        .submit(submission(Kind::Service, &service(&civil, NOW_MS + 1)))
        .await;
    assert_eq!(
        refused(by_another),
        (Code::PermissionDenied, "wrong_signer".into())
    );
    let older = agencies
        .submit(submission(Kind::Service, &publication))
        .await;
    assert_eq!(
        refused(older),
        (Code::FailedPrecondition, "older_service".into())
    );
    let by_seal_key = sealed(
        label::AUTHORITY,
        service(&civil, NOW_MS + 2).header,
        &civil.seal_key,
    );
    assert_eq!(
        refused(
            agencies
                .submit(submission(Kind::Service, &by_seal_key))
                .await
        )
        .1,
        "bad_seal"
    );
    let invitation = submission(
        Kind::Invitation,
        &site.invitation(&Applicant::new("EG/GOV/X/y")),
    );
    assert_eq!(refused(agencies.submit(invitation).await).1, "wrong_signer");
    let no_kind = wire::SubmitRequest {
        kind: 999,
        ..submission(Kind::Service, &publication)
    };
    assert_eq!(refused(agencies.submit(no_kind).await).1, "not_registry");
    assert_eq!(switch.log().head().size(), entries);
    switch.shutdown().await.unwrap();
}

/// Reads a stream to its end; the status that it ends with.
async fn mirror_end(mirror: &mut tonic::Streaming<audit_wire::RegistryResponse>) -> Option<Status> {
    loop {
        match mirror.message().await {
            Ok(Some(_)) => {}
            Ok(None) => return None,
            Err(status) => return Some(status),
        }
    }
}

#[tokio::test]
async fn certificates_are_renewed_until_the_last_seal_key_was_ended() {
    let site = Site::found().await;
    let switch = site.start().await;
    let civil = Applicant::new(CIVIL);
    let (channel, first_chain) = on_board(&site, &switch, &civil).await;
    let mut agencies = AgenciesClient::new(channel);
    let new_key = TlsKey::generate().unwrap();
    let renewal = wire::RenewRequest {
        certificate_request: request::make(&new_key).unwrap().into(),
    };
    let renewed = agencies.renew(renewal.clone()).await.unwrap().into_inner();
    let chain = String::from_utf8(renewed.certificate_chain.to_vec()).unwrap();
    assert_ne!(chain, first_chain);
    let mut agencies = AgenciesClient::new(site.connect(&switch, &chain, &new_key).await);
    let end = KeyEnd {
        system: civil.system.clone(),
        kid: civil.seal_key.key().kid(),
        reason: part("retired"),
        issued_at_ms: NOW_MS,
    };
    let end = sealed(label::AUTHORITY, end.encode(), &civil.authority_key);
    agencies
        .submit(submission(Kind::KeyEnded, &end))
        .await
        .unwrap();
    assert_eq!(
        refused(agencies.renew(renewal).await),
        (Code::PermissionDenied, "wrong_signer".into())
    );
    switch.shutdown().await.unwrap();
}

#[tokio::test]
async fn only_known_peers_are_told_and_only_the_operators_own_seal_invites() {
    let site = Site::found().await;
    let switch = site.start().await;
    let applicant = Applicant::new(MOSS);
    let operator = site.connect_operator(&switch, OPERATOR).await;
    let (member, _) = on_board(&site, &switch, &applicant).await;
    let checkpoint = audit_wire::CheckpointRequest {};
    let stranger = site.connect_operator(&switch, "nobody").await;
    assert_eq!(
        refused(LogClient::new(stranger).checkpoint(checkpoint).await),
        (Code::Unauthenticated, "unknown_peer".into())
    );
    let published = LogClient::new(member.clone())
        .checkpoint(checkpoint)
        .await
        .unwrap()
        .into_inner();
    audit::checkpoint::open(&published.checkpoint, switch.log().key()).unwrap();

    let newcomer = Applicant::new(CIVIL);
    let invitation = wire::OperateRequest {
        kind: u32::from(Kind::Invitation as u8),
        envelope: Some(site.invitation(&newcomer).to_wire()),
    };
    let stranger = site.connect_operator(&switch, "nobody").await;
    for (channel, word) in [(stranger, "unknown_peer"), (member, "wrong_signer")] {
        assert_eq!(
            refused(
                OperationsClient::new(channel)
                    .operate(invitation.clone())
                    .await
            )
            .1,
            word
        );
    }
    let by_another = sealed(
        label::OPERATOR,
        site.invitation(&newcomer).header,
        &newcomer.authority_key,
    );
    let by_another = wire::OperateRequest {
        kind: u32::from(Kind::Invitation as u8),
        envelope: Some(by_another.to_wire()),
    };
    let mut operations = OperationsClient::new(operator);
    assert_eq!(
        refused(operations.operate(by_another).await).1,
        "wrong_signer"
    );
    operations.operate(invitation.clone()).await.unwrap();
    assert_eq!(
        refused(operations.operate(invitation).await).1,
        "token_used"
    );
    switch.shutdown().await.unwrap();
}

#[tokio::test]
async fn consistency_is_proved_up_to_what_is_published_and_no_further() {
    let site = Site::found().await;
    let switch = site.start().await;
    let (member, _) = on_board(&site, &switch, &Applicant::new(MOSS)).await;
    let size = switch.log().publish_now().await.unwrap().checkpoint.size;
    let mut log = LogClient::new(member);
    let asked = audit_wire::ConsistencyRequest {
        from_sizes: (0..=size).collect(),
        to_size: size,
    };
    let proofs = log.consistency(asked).await.unwrap().into_inner().proofs;
    assert_eq!(proofs.len() as u64, size + 1);
    let leaves: Vec<_> = {
        let entries = switch.log().entries(0..size).await.unwrap();
        entries.iter().map(|(_, bytes)| leaf_hash(bytes)).collect()
    };
    for (from, proof) in (1..size).zip(&proofs[1..]) {
        let hashes: Vec<_> = proof
            .hashes
            .iter()
            .map(|hash| Digest::from_slice(hash).unwrap())
            .collect();
        let (old, new) = (tree_head(&leaves[..from as usize]), tree_head(&leaves));
        audit::tree::verify_consistency(from, &old, size, &new, &hashes).unwrap();
    }
    for (from_sizes, to_size) in [(vec![1], size + 1), (vec![3], 2)] {
        let asked = audit_wire::ConsistencyRequest {
            from_sizes,
            to_size,
        };
        assert_eq!(
            refused(log.consistency(asked).await),
            (Code::OutOfRange, "not_published".into())
        );
    }
    let many = audit_wire::ConsistencyRequest {
        from_sizes: vec![1; 257],
        to_size: size,
    };
    assert_eq!(refused(log.consistency(many).await).1, "malformed");
    switch.shutdown().await.unwrap();
}
