//! Key files and folders, good and hostile; whom a payload names.

use std::os::unix::fs::PermissionsExt as _;

use proto::act::SubjectField;
use proto::id::Part;
use proto::subject::EpochMaster;
use serde_json::json;

use super::*;

const NOW: u64 = 1_795_000_000_000;

fn agreement() -> Digest {
    Digest::of(b"an agreement")
}

/// The key file of an epoch that began at `from_ms`.
fn file(epoch: u32, from_ms: u64) -> KeyFile {
    let byte = u8::try_from(epoch).unwrap();
    let master = EpochMaster::from_slice(&[byte; 32]).unwrap();
    KeyFile {
        agreement: agreement(),
        epoch,
        from_ms,
        overlap_ms: 1_000,
        key: master.key(&agreement()).unwrap(),
    }
}

fn folder(files: &[KeyFile]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in files {
        file.save(&dir.path().join(file.file_name())).unwrap();
    }
    dir
}

fn fields(pointers: &[&str]) -> Vec<SubjectField> {
    pointers
        .iter()
        .map(|pointer| SubjectField {
            pointer: (*pointer).to_owned(),
            scheme: Part::parse("nid").unwrap(),
        })
        .collect()
}

#[test]
fn a_key_file_comes_back_as_it_was_and_shows_no_key() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.subject-key");
    let made = file(3, NOW);
    made.save(&path).unwrap();
    assert_eq!(KeyFile::load(&path).unwrap(), made);
    assert!(!format!("{made:?}").contains(&hex::encode(made.key.as_bytes())));
    assert!(
        matches!(made.save(&path), Err(SubjectKeyError::File(_))),
        "never overwritten"
    );
}

#[test]
fn damaged_foreign_wide_and_contradicting_files_are_refused_without_showing_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let good = file(1, NOW);
    let key = hex::encode(good.key.as_bytes());
    let text = |agreement: &str, epoch: &str, key: &str| {
        format!(
            "agreement = \"{agreement}\"\nepoch = {epoch}\nfrom_ms = 5\noverlap_ms = 5\nkey = \"{key}\"\n"
        )
    };
    let agreement = agreement().to_string();
    let bad = [
        text(&agreement, "0", &key),
        text(&agreement, "-1", &key),
        text("ab", "1", &key),
        text(&agreement, "1", &key[2..]),
        text(&agreement, "1", "zz"),
        text(&agreement, "1", &key) + "more = 1\n",
        text(&agreement, "1", &key).replace("overlap_ms = 5", "overlap_ms = 99999999999999"),
        format!("key = \"{key}\""),
        format!("{key}\n"),
        "\u{0}".to_owned(),
    ];
    for (index, text) in bad.iter().enumerate() {
        let path = dir.path().join(format!("{index}.subject-key"));
        key_files::write_private(&path, text.as_bytes()).unwrap();
        let error = KeyFile::load(&path).unwrap_err();
        assert!(
            matches!(error, SubjectKeyError::Malformed { .. }),
            "{index}: {error}"
        );
        assert!(!error.to_string().contains(&key), "{index}");
    }
    let wide = folder(&[good]);
    let path = wide.path().join(file(1, NOW).file_name());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = SubjectKeys::open(wide.path().to_owned()).unwrap_err();
    assert!(matches!(refused, SubjectKeyError::File(_)));

    let twice = folder(&[file(1, NOW)]);
    let mut other = file(1, NOW);
    other.key = file(2, NOW).key;
    other.save(&twice.path().join("b.subject-key")).unwrap();
    let refused = SubjectKeys::open(twice.path().to_owned()).unwrap_err();
    assert!(matches!(refused, SubjectKeyError::Twice(_)));

    let order = folder(&[file(1, NOW), file(2, NOW)]);
    let refused = SubjectKeys::open(order.path().to_owned()).unwrap_err();
    assert!(matches!(refused, SubjectKeyError::Order(_)));
}

#[test]
fn each_time_has_its_epoch_and_two_while_they_overlap() {
    let epochs = [file(1, NOW), file(2, NOW + 10_000), file(3, NOW + 20_000)];
    let dir = folder(&epochs);
    let keys = SubjectKeys::open(dir.path().to_owned()).unwrap();
    let [first, second, third] = epochs.map(|file| file.key);
    let seals = |at: u64| keys.current(&agreement(), at);
    assert_eq!(seals(NOW - 1), None);
    assert_eq!(seals(NOW), Some(first.clone()));
    assert_eq!(seals(NOW + 9_999), Some(first.clone()));
    assert_eq!(seals(NOW + 10_000), Some(second.clone()));
    assert_eq!(seals(u64::MAX), Some(third.clone()));
    let judges = |at: u64| keys.accepted(&agreement(), at, 100).unwrap();
    assert_eq!(keys.accepted(&agreement(), NOW - 1, 100), None, "not yet");
    assert_eq!(judges(NOW + 5_000), vec![first.clone()]);
    assert_eq!(judges(NOW + 9_900), [first.clone(), second.clone()]);
    assert_eq!(judges(NOW + 10_999), [second.clone(), first]);
    assert_eq!(judges(NOW + 11_000), [second]);
    assert_eq!(judges(u64::MAX), [third]);
    let unknown = Digest::of(b"another");
    assert_eq!(keys.current(&unknown, NOW), None);
    assert_eq!(keys.accepted(&unknown, NOW, 100), None);
}

#[test]
fn no_folder_is_no_keys_and_a_file_that_is_added_counts() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("subjects");
    let keys = SubjectKeys::open(place.clone()).unwrap();
    assert_eq!(
        (keys.agreements(), keys.current(&agreement(), NOW)),
        (0, None)
    );
    let added = file(1, NOW);
    added.save(&place.join(added.file_name())).unwrap();
    fs::write(place.join("README"), "not a key").unwrap();
    keys.state.lock().unwrap().looked_at = Instant::now().checked_sub(LOOK_EVERY).unwrap();
    assert_eq!(keys.current(&agreement(), NOW), Some(added.key.clone()));
    // A broken one that comes later changes nothing.
    fs::write(place.join("broken.subject-key"), "x").unwrap();
    keys.state.lock().unwrap().looked_at = Instant::now().checked_sub(LOOK_EVERY).unwrap();
    assert_eq!(keys.current(&agreement(), NOW), Some(added.key));
}

#[test]
fn a_payload_names_persons_where_the_contract_says_so() {
    let fields = fields(&["/father", "/nid"]);
    let ids = |payload: &serde_json::Value, start: Start| {
        let payload = payload.to_string();
        let found = persons(&fields, "application/json", payload.as_bytes(), start);
        found.map(|found| found.into_iter().map(|(_, id)| id).collect::<Vec<_>>())
    };
    let nid = "29001018800017";
    let both = json!({ "nid": nid, "father": 26_001_018_800_017_u64, "other": true });
    let found = Ok(vec!["26001018800017".to_owned(), nid.to_owned()]);
    assert_eq!(ids(&both, Start::Payload), found);
    assert_eq!(ids(&both, Start::Either), found);
    assert_eq!(ids(&both, Start::Parameters), Ok(vec![]));
    let stock = json!({ "operation": "lookup", "parameters": { "nid": nid, "father": null } });
    assert_eq!(ids(&stock, Start::Parameters), Ok(vec![nid.to_owned()]));
    assert_eq!(ids(&stock, Start::Either), Ok(vec![nid.to_owned()]));
    assert_eq!(ids(&stock, Start::Payload), Ok(vec![]));
    for bad in [
        json!({ "nid": [nid] }),
        json!({ "nid": 1.5 }),
        json!({ "nid": false }),
    ] {
        assert_eq!(
            ids(&bad, Start::Payload),
            Err(Unnamed::Kind("/nid".to_owned()))
        );
    }
    let raw = |content_type: &str, payload: &str| {
        persons(&fields, content_type, payload.as_bytes(), Start::Payload).map(|found| found.len())
    };
    let twice = format!("{{\"nid\":\"{nid}\",\"nid\":\"26001018800017\"}}");
    assert_eq!(raw("application/json", &twice), Err(Unnamed::NotJson));
    assert_eq!(raw("text/plain", "{}"), Err(Unnamed::NotJson));
    assert_eq!(raw("application/json", ""), Err(Unnamed::NotJson));
    assert_eq!(raw("application/json", "{}"), Ok(0));
    let deep = "[".repeat(100_000);
    assert_eq!(raw("application/json", &deep), Err(Unnamed::NotJson));
}

#[test]
fn pseudonyms_stand_once_each_and_never_more_than_a_header_carries() {
    let key = file(1, NOW).key;
    let fields = fields(&["/a", "/b", "/c"]);
    let payload = json!({ "a": "29001018800017", "b": "٢٩٠٠١٠١٨٨٠٠٠١٧", "c": "26001018800017" });
    let made = subjects_of(
        &fields,
        "application/json",
        payload.to_string().as_bytes(),
        Start::Payload,
        &key,
    )
    .unwrap();
    assert_eq!(made.len(), 2);
    let nobody = json!({ "a": "123" }).to_string();
    let error = subjects_of(
        &fields,
        "application/json",
        nobody.as_bytes(),
        Start::Payload,
        &key,
    )
    .unwrap_err();
    assert!(matches!(error, Unnamed::Form { .. }));
    assert!(error.to_string().contains("/a") && !error.to_string().contains("123"));
    let many: Vec<_> = (0..9)
        .map(|n| (&fields[0], format!("2900101880001{n}")))
        .collect();
    assert_eq!(pseudonyms(&many, &key), Err(Unnamed::TooMany));
    assert_eq!(pseudonyms(&many[..8], &key).unwrap().len(), 8);
}
