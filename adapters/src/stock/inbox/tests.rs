//! A question is laid down once, and answered from what somebody puts beside it.

use serde_json::json;

use super::*;
use crate::provider::Provider as _;
use crate::stock::Providers;
use crate::stock::tests::{opened, request};

fn served(dir: &Path) -> Providers {
    let text = r#"
        [service.vehicles]
        kind = "inbox"
        folder = "inbox"
        [service.vehicles.operation.file]
        parameters = { from = "text", about = "text" }
        fields = { number = "file_number", state = "state" }
    "#;
    std::fs::create_dir_all(dir.join("inbox")).unwrap();
    Providers::parse(text, dir).unwrap()
}

#[tokio::test]
async fn a_question_is_laid_down_once_and_answered_once_there_is_an_answer() {
    let dir = tempfile::tempdir().unwrap();
    let providers = served(dir.path());
    let parameters = json!({ "from": "../../etc", "about": "نفايات أمام المدرسة" });
    let asked = request("vehicles", "file", &["number", "state"], parameters);
    assert_eq!(
        providers.answer(asked.clone()).await,
        Err(Failure::Unavailable)
    );
    let files = || {
        let listed = std::fs::read_dir(dir.path().join("inbox"))
            .unwrap()
            .flatten();
        let mut names: Vec<_> = listed
            .map(|file| file.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let id = asked.exchange_id;
    assert_eq!(files(), [format!("{id}.json")]);
    let question = dir.path().join(format!("inbox/{id}.json"));
    let laid: Value = serde_json::from_slice(&std::fs::read(&question).unwrap()).unwrap();
    assert_eq!(laid["parameters"]["about"], "نفايات أمام المدرسة");
    assert_eq!(laid["answer_with"], json!(["file_number", "state"]));
    // Whoever reads it may change it: it is not written again.
    std::fs::write(&question, "seen").unwrap();
    assert_eq!(
        providers.answer(asked.clone()).await,
        Err(Failure::Unavailable)
    );
    assert_eq!(std::fs::read(&question).unwrap(), b"seen");
    let answer = dir.path().join(format!("inbox/{id}.answer.json"));
    for unfinished in ["", "{\"file_number\": 17", "[]"] {
        std::fs::write(&answer, unfinished).unwrap();
        assert_eq!(
            providers.answer(asked.clone()).await,
            Err(Failure::Unavailable)
        );
    }
    std::fs::write(
        &answer,
        json!({ "file_number": 17, "other": "kept back" }).to_string(),
    )
    .unwrap();
    let reply = providers.answer(asked.clone()).await.unwrap();
    assert_eq!(
        opened(&reply),
        json!({ "rows": [{ "number": 17, "state": null }], "truncated": false })
    );
    std::fs::write(&answer, vec![b' '; ANSWER_BYTES_MAX as usize + 1]).unwrap();
    assert!(matches!(
        providers.answer(asked).await,
        Err(Failure::Failed(_))
    ));
}

#[tokio::test]
async fn a_question_that_is_none_is_not_laid_down() {
    let dir = tempfile::tempdir().unwrap();
    let providers = served(dir.path());
    for parameters in [
        json!({}),
        json!({ "from": 1, "about": "x" }),
        json!({ "from": "a", "about": "b", "c": 1 }),
    ] {
        let asked = request("vehicles", "file", &["number"], parameters);
        assert!(matches!(
            providers.answer(asked).await,
            Err(Failure::InvalidRequest(_))
        ));
    }
    assert_eq!(
        std::fs::read_dir(dir.path().join("inbox")).unwrap().count(),
        0
    );
}
