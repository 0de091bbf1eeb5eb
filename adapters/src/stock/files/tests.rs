//! Files by id: the folder's own plain files, and nothing else whatever is asked.

use std::time::Duration;

use proto::id::{ExchangeId, SystemId};
use serde_json::json;

use super::*;
use crate::provider::{Piece, Provider as _};
use crate::stock::Providers;

fn request(id: &str, fields: &[&str]) -> Request {
    Request {
        exchange_id: ExchangeId::parse("0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a5b").unwrap(),
        request_index: 1,
        consumer: SystemId::parse("EG/GOV/MOSS/takaful").unwrap(),
        service: Part::parse("registers").unwrap(),
        operation: Part::parse("monthly").unwrap(),
        purpose: Part::parse("benefit").unwrap(),
        fields: fields
            .iter()
            .map(|field| Part::parse(field).unwrap())
            .collect(),
        rows: Vec::new(),
        content_type: "application/json".to_owned(),
        payload: json!({ "operation": "monthly", "parameters": { "id": id } })
            .to_string()
            .into(),
        remaining: Duration::from_secs(5),
        traceparent: String::new(),
    }
}

fn served(dir: &Path) -> Providers {
    let text = r#"
        [service.registers]
        kind = "files"
        folder = "exports"
        [service.registers.operation.monthly]
        suffix = ".csv"
        content_type = "text/csv"
        fields = ["name", "status"]
    "#;
    std::fs::create_dir_all(dir.join("exports")).unwrap();
    Providers::parse(text, dir).unwrap()
}

#[tokio::test]
async fn a_file_is_given_whole_in_one_piece_or_in_chunks() {
    let dir = tempfile::tempdir().unwrap();
    let providers = served(dir.path());
    std::fs::write(dir.path().join("exports/2026-01.csv"), b"name,status\n").unwrap();
    let asked = request("2026-01", &["name", "status"]);
    let whole = providers.answer(asked.clone()).await.unwrap();
    assert_eq!(&whole.payload[..], b"name,status\n");
    assert_eq!(whole.content_type, "text/csv");
    let mut long = providers.stream(asked).await.unwrap().unwrap();
    assert_eq!(long.body.length, Some(12));
    assert_eq!(
        long.body.next().await.unwrap().unwrap()[..],
        whole.payload[..]
    );
    assert_eq!(long.body.next().await.unwrap(), None);

    let large = vec![0; PAYLOAD_BYTES_MAX + 1];
    std::fs::write(dir.path().join("exports/large.csv"), large).unwrap();
    let asked = request("large", &["name", "status"]);
    let refused = providers.answer(asked.clone()).await;
    assert!(
        matches!(refused, Err(Failure::InvalidRequest(_))),
        "{refused:?}"
    );
    providers.stream(asked).await.unwrap().unwrap();
}

#[tokio::test]
async fn no_id_leads_out_of_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let providers = served(dir.path());
    std::fs::write(dir.path().join("secret.csv"), b"secret").unwrap();
    std::fs::create_dir(dir.path().join("exports/folder.csv")).unwrap();
    std::os::unix::fs::symlink("../secret.csv", dir.path().join("exports/link.csv")).unwrap();
    let stream = async |id: &str| providers.stream(request(id, &["name", "status"])).await;
    for id in [
        "../secret",
        "..%2fsecret",
        "/etc/passwd",
        "a/b",
        "a\\b",
        "",
        ".",
        "..",
        "a\0b",
        "نسخة",
        &"a".repeat(65),
    ] {
        let refused = stream(id).await;
        assert!(matches!(refused, Err(Failure::InvalidRequest(_))), "{id}");
    }
    for id in ["none", "link", "folder", "secret"] {
        assert!(matches!(stream(id).await, Err(Failure::NotFound)), "{id}");
    }
}

#[tokio::test]
async fn all_fields_or_nothing_and_no_row_rules() {
    let dir = tempfile::tempdir().unwrap();
    let providers = served(dir.path());
    std::fs::write(dir.path().join("exports/a.csv"), b"x").unwrap();
    let some = providers.stream(request("a", &["name"])).await;
    assert!(matches!(some, Err(Failure::InvalidRequest(_))));
    let mut ruled = request("a", &["name", "status"]);
    ruled.rows.push(proto::authorise::Row {
        field: Part::parse("name").unwrap(),
        equals: "x".to_owned(),
    });
    assert!(matches!(
        providers.stream(ruled).await,
        Err(Failure::Failed(_))
    ));
}

#[test]
fn a_folder_that_is_not_there_and_an_operation_without_fields_are_told() {
    let text = r#"
        [service.registers]
        kind = "files"
        folder = "nowhere"
        [service.registers.operation.monthly]
        suffix = "/../x"
        content_type = ""
        fields = []
    "#;
    let told = Providers::parse(text, Path::new("/"))
        .unwrap_err()
        .to_string();
    for word in ["no folder", "suffix", "content_type", "fields"] {
        assert!(told.contains(word), "{told}");
    }
}

const TAKER: &str = r#"
    [service.registers]
    kind = "files"
    folder = "exports"
    [service.registers.operation.monthly]
    suffix = ".csv"
    fields = ["name"]
    [service.registers.operation.deposit]
    accept = true
    suffix = ".csv"
    bytes_max = 6
    fields = ["id", "bytes"]
"#;

/// Sends `chunks` to the operation that takes files; with its end, or without.
async fn sent(
    providers: &Providers,
    length: Option<u64>,
    chunks: &[&'static [u8]],
    is_whole: bool,
) -> Result<Reply, Failure> {
    let (pieces, upload) = Upload::new(length);
    let mut asked = request("any", &["id", "bytes"]);
    asked.operation = Part::parse("deposit").unwrap();
    asked.payload = bytes::Bytes::new();
    let mut all: Vec<Piece> = chunks
        .iter()
        .map(|chunk| Piece::Chunk((*chunk).into()))
        .collect();
    all.extend(is_whole.then_some(Piece::End));
    let feeding = async move {
        for piece in all {
            if pieces.send(piece).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(providers.upload(asked, upload), feeding).0
}

#[tokio::test]
async fn a_file_is_taken_under_the_exchanges_id_once_all_of_it_was_proved() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("exports");
    std::fs::create_dir(&folder).unwrap();
    let providers = Providers::parse(TAKER, dir.path()).unwrap();
    let id = "0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a5b";
    let left = || std::fs::read_dir(&folder).unwrap().count();
    // Without an end, too long as announced, too long as it comes: nothing is left.
    type Sent<'a> = &'a [&'static [u8]];
    let broken: [(Option<u64>, Sent<'_>, bool); 3] = [
        (None, &[b"abcd"], false),
        (Some(7), &[], true),
        (None, &[b"abcd", b"efg"], true),
    ];
    for (length, chunks, is_whole) in broken {
        let refused = sent(&providers, length, chunks, is_whole).await;
        refused.unwrap_err();
        assert_eq!(left(), 0, "{length:?}");
    }
    let reply = sent(&providers, Some(6), &[b"abcd", b"ef"], true).await;
    let rows: serde_json::Value = serde_json::from_slice(&reply.unwrap().payload).unwrap();
    assert_eq!(rows["rows"], json!([{ "bytes": 6, "id": id }]));
    let path = folder.join(format!("{id}.csv"));
    assert_eq!(
        (std::fs::read(&path).unwrap(), left()),
        (b"abcdef".to_vec(), 1)
    );
    // What stands there stays.
    sent(&providers, None, &[b"other"], true).await.unwrap_err();
    assert_eq!(
        (std::fs::read(&path).unwrap(), left()),
        (b"abcdef".to_vec(), 1)
    );
    // It is given by the operation that gives; the one that takes gives none.
    let asked = request(id, &["name"]);
    assert_eq!(
        &providers.answer(asked.clone()).await.unwrap().payload[..],
        b"abcdef"
    );
    let taking = Request {
        operation: Part::parse("deposit").unwrap(),
        ..asked
    };
    assert!(matches!(
        providers.answer(taking).await,
        Err(Failure::InvalidRequest(_))
    ));
}

#[test]
fn what_takes_files_says_no_more_of_them_than_it_knows() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("exports")).unwrap();
    for (wrong, said) in [(r#"["id", "name"]"#, "not `name`"), ("[]", "granted")] {
        let text = TAKER.replace(r#"["id", "bytes"]"#, wrong);
        let error = Providers::parse(&text, dir.path()).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
    let text = TAKER.replace("accept = true", "accept = false");
    let error = Providers::parse(&text, dir.path()).unwrap_err();
    assert!(error.to_string().contains("accept = true"), "{error}");
}

#[test]
fn what_a_killed_process_left_is_swept_and_only_that() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("exports");
    std::fs::create_dir(&folder).unwrap();
    let id = "0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a5b";
    let left = format!(".{id}.csv.17.part");
    let others = [
        format!(".{id}.17.part"),
        format!(".{id}.bin.17.part"),
        format!("{id}.csv"),
        ".july.csv.17.part".to_owned(),
        "notes.part".to_owned(),
    ];
    for name in others.iter().chain([&left]) {
        std::fs::write(folder.join(name), name).unwrap();
    }
    let text = |accept: bool| {
        format!(
            "[service.a]\nkind = \"files\"\nfolder = \"exports\"\n\
             [service.a.operation.put]\naccept = {accept}\nsuffix = \".csv\"\nfields = [\"id\"]\n"
        )
    };
    let swept = |accept| Providers::parse(&text(accept), dir.path()).unwrap().sweep();
    // Who takes no files left none.
    assert_eq!(swept(false).unwrap(), 0);
    assert_eq!(swept(true).unwrap(), 1);
    assert!(!folder.join(&left).exists());
    assert!(others.iter().all(|name| folder.join(name).exists()));
    let gone = Providers::parse(&text(true), dir.path()).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(gone.sweep().unwrap_err().to_string().contains("exports"));
}
