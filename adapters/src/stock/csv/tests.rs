//! Tables over real files, also while they change.

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::provider::Provider;
use crate::stock::Providers;
use crate::stock::tests::{opened, problems, request};

const HEADER: &str = "owner_id,owner_name_ar,plate,kind\n";
const OPERATIONS: &str = r#"
    [service.v.operation.by_owner]
    key = ["owner_id"]
    fields = { owner = "owner_name_ar", plate = "plate", kind = "kind" }
    [service.v.operation.by_owner_and_kind]
    key = { id = "owner_id", what = "kind" }
    fields = ["plate"]
"#;

fn toml(more: &str) -> String {
    format!("[service.v]\nkind = \"csv\"\nfile = \"v.csv\"\n{more}\n{OPERATIONS}")
}

fn write(dir: &TempDir, bytes: impl AsRef<[u8]>) {
    std::fs::write(dir.path().join("v.csv"), bytes).unwrap();
}

fn rows(rows: &str) -> String {
    format!("{HEADER}{rows}")
}

/// The service alone, so that a test need not wait a second for each look.
fn table(dir: &TempDir) -> Csv {
    let mut reading = Reading::new(dir.path());
    let mut file: toml::Table = toml("").parse().unwrap();
    let mut service = file["service"]["v"]
        .as_table_mut()
        .map(std::mem::take)
        .unwrap();
    file.clear();
    service.remove("kind");
    let csv = Csv::read("v", service, &mut reading);
    reading.done().unwrap();
    csv.unwrap()
}

async fn plates(csv: &Csv, owner: &str) -> Vec<String> {
    let asked = request("v", "by_owner", &["plate"], json!({ "owner_id": owner }));
    match csv.answer(&asked).await {
        Ok(reply) => {
            let rows = opened(&reply)["rows"].as_array().unwrap().clone();
            rows.iter()
                .map(|row| row["plate"].as_str().unwrap().to_owned())
                .collect()
        }
        Err(failure) => {
            assert_eq!(failure, Failure::NotFound);
            Vec::new()
        }
    }
}

#[tokio::test]
async fn rows_are_found_by_their_keys() {
    let dir = TempDir::new().unwrap();
    let text = "1,\"مُنى، \"\"أم أحمد\"\"\",ب ج د 123,car\r\n2,,x,car\r\n1,مُنى,س ص 4,truck\r\n";
    write(
        &dir,
        [b"\xEF\xBB\xBF".as_slice(), rows(text).as_bytes()].concat(),
    );
    let providers = Providers::parse(&toml(""), dir.path()).unwrap();
    let ask = async |operation: &str, fields: &[&str], parameters| {
        providers
            .answer(request("v", operation, fields, parameters))
            .await
            .map(|reply| opened(&reply)["rows"].clone())
    };
    let two = ask("by_owner", &["owner", "plate"], json!({ "owner_id": "1" }))
        .await
        .unwrap();
    let expected = json!([{ "owner": "مُنى، \"أم أحمد\"", "plate": "ب ج د 123" }, { "owner": "مُنى", "plate": "س ص 4" }]);
    assert_eq!(two, expected);
    let truck = ask(
        "by_owner_and_kind",
        &["plate"],
        json!({ "id": "1", "what": "truck" }),
    )
    .await;
    assert_eq!(truck.unwrap(), json!([{ "plate": "س ص 4" }]));
    let nobody = ask("by_owner", &["owner"], json!({ "owner_id": "2" })).await;
    assert_eq!(nobody.unwrap(), json!([{ "owner": null }]));
    for (operation, parameters) in [
        ("by_owner", json!({ "owner_id": "3" })),
        ("by_owner", json!({ "owner_id": "" })),
        ("by_owner_and_kind", json!({ "id": "1truck", "what": "" })),
        ("by_owner_and_kind", json!({ "id": "2", "what": "truck" })),
    ] {
        assert_eq!(
            ask(operation, &["plate"], parameters).await,
            Err(Failure::NotFound)
        );
    }
}

#[tokio::test]
async fn rows_outside_the_grant_are_as_if_they_were_not_there() {
    let dir = TempDir::new().unwrap();
    write(&dir, rows("1,ا,a,car\n1,ب,b,lorry\n2,ج,c,lorry\n"));
    let csv = table(&dir);
    let asked = |owner: &str, field: &str, equals: &str| {
        let mut asked = request("v", "by_owner", &["plate"], json!({ "owner_id": owner }));
        asked.rows = vec![crate::provider::Row {
            field: proto::id::Part::parse(field).unwrap(),
            equals: equals.to_owned(),
        }];
        asked
    };
    // The rule's field is compared though it was not asked for, and does not come back.
    let reply = csv.answer(&asked("1", "kind", "lorry")).await.unwrap();
    assert_eq!(opened(&reply)["rows"], json!([{ "plate": "b" }]));
    assert_eq!(
        csv.answer(&asked("2", "kind", "car")).await.unwrap_err(),
        Failure::NotFound
    );
    // A field that the file does not map: nobody can say, so nothing is given.
    let unmapped = csv.answer(&asked("1", "governorate", "giza")).await;
    assert!(matches!(unmapped, Err(Failure::Failed(_))), "{unmapped:?}");
}

#[tokio::test]
async fn a_changed_file_is_read_and_a_broken_one_changes_nothing() {
    let dir = TempDir::new().unwrap();
    write(&dir, rows("1,a,old,car\n"));
    let csv = table(&dir);
    assert_eq!(plates(&csv, "1").await, ["old"]);
    let next = dir.path().join("next.csv");
    std::fs::write(&next, rows("1,a,new,car\n1,a,second,car\n")).unwrap();
    std::fs::rename(&next, dir.path().join("v.csv")).unwrap();
    csv.source.look();
    assert_eq!(plates(&csv, "1").await, ["new", "second"]);
    let broken: [&[u8]; 9] = [
        b"",
        HEADER.as_bytes(),
        b"owner_id,owner_name_ar,plate\n1,a,x\n",
        b"owner_id,owner_name_ar,plate,kind,kind\n1,a,x,y,z\n",
        b"owner_id,owner_name_ar,plate,kind\n1,a,x\n",
        b"owner_id,owner_name_ar,plate,kind\n1,a,x,car\n2,b,y,c",
        b"owner_id,owner_name_ar,plate,kind\n1,\"a,x,car\n",
        b"owner_id,owner_name_ar,plate,kind\n1,\xff\xfe,x,car\n",
        &[0; 4096],
    ];
    for bytes in broken {
        write(&dir, bytes);
        csv.source.look();
        csv.source.look();
        assert_eq!(plates(&csv, "1").await, ["new", "second"], "{bytes:?}");
    }
    std::fs::remove_file(dir.path().join("v.csv")).unwrap();
    csv.source.look();
    assert_eq!(plates(&csv, "1").await, ["new", "second"]);
    std::fs::create_dir(dir.path().join("v.csv")).unwrap();
    csv.source.look();
    assert_eq!(plates(&csv, "1").await, ["new", "second"]);
    std::fs::remove_dir(dir.path().join("v.csv")).unwrap();
    write(&dir, rows("1,a,last,car\n"));
    csv.source.look();
    assert_eq!(plates(&csv, "1").await, ["last"]);
}

#[tokio::test]
async fn a_change_is_seen_by_requests_within_a_second_or_so() {
    let dir = TempDir::new().unwrap();
    write(&dir, rows("1,a,old,car\n"));
    let csv = table(&dir);
    write(&dir, rows("1,a,newer,car\n"));
    assert_eq!(plates(&csv, "1").await, ["old"]);
    tokio::time::sleep(LOOK_EVERY + Duration::from_millis(50)).await;
    assert_eq!(plates(&csv, "1").await, ["newer"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_is_replaced_whole_while_it_is_read() {
    let dir = TempDir::new().unwrap();
    let version = |version: u32| {
        rows(
            &(0..500)
                .map(|_| format!("1,a,{version},car\n"))
                .collect::<String>(),
        )
    };
    write(&dir, version(0));
    let csv = Arc::new(table(&dir));
    let reader = Arc::clone(&csv);
    let readers = tokio::spawn(async move {
        for _ in 0..200 {
            let plates = plates(&reader, "1").await;
            assert!(plates.len() == 100 && plates.iter().all(|plate| plate == &plates[0]));
        }
    });
    for next in 1..30 {
        // Written in place on purpose: half a file must never be seen.
        write(&dir, version(next));
        let source = Arc::clone(&csv.source);
        tokio::task::spawn_blocking(move || source.look())
            .await
            .unwrap();
    }
    readers.await.unwrap();
    csv.source.look();
    assert_eq!(plates(&csv, "1").await[0], "29");
}

#[test]
fn wrong_files_are_refused() {
    let dir = TempDir::new().unwrap();
    assert!(problems(&toml(""), &dir)[0].contains("No such file"));
    write(&dir, rows("1,a,x,car\n"));
    Providers::parse(&toml(""), dir.path()).unwrap();
    for (more, why) in [
        ("max_bytes = 10", "larger than max_bytes = 10"),
        ("min_rows = 2", "fewer than min_rows = 2"),
        ("delimiter = \";\"", "has no column"),
        ("delimiter = \";;\"", "one ASCII character"),
        ("max_rows = 0", "max_rows = 0"),
        ("colour = 1", "unknown field `colour`"),
    ] {
        let found = problems(&toml(more), &dir);
        assert!(
            found.iter().any(|problem| problem.contains(why)),
            "{more}: {found:?}"
        );
    }
    let column = toml("").replace("fields = [\"plate\"]", "fields = [\"colour\"]");
    assert!(problems(&column, &dir)[0].contains("has no column colour"));
    let keyless = toml("").replace("key = [\"owner_id\"]", "key = []");
    assert!(problems(&keyless, &dir)[0].contains("names no column"));
    write(&dir, rows("1;a;x;car\n").replace(',', ";"));
    Providers::parse(&toml("delimiter = \";\""), dir.path()).unwrap();
}
