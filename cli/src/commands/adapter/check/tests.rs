//! The hops that need no switch.

use super::*;

#[test]
fn clocks_are_compared_by_the_date_of_the_answer() {
    let date = Some("Sun, 22 Nov 2026 10:00:00 GMT");
    let theirs_ms = 1_795_341_600_000;
    for (now_ms, standing) in [
        (theirs_ms + 900, Standing::Good),
        (theirs_ms + 15_000, Standing::Look),
        (theirs_ms - 31_000, Standing::Failed),
    ] {
        assert_eq!(clock(date, now_ms, 30_000).standing, standing, "{now_ms}");
    }
    assert_eq!(clock(None, 0, 30_000).standing, Standing::Look);
    assert_eq!(clock(Some("yesterday"), 0, 30_000).standing, Standing::Look);
}

#[tokio::test]
async fn an_empty_folder_fails_at_its_files_and_goes_no_further() {
    let dir = tempfile::tempdir().unwrap();
    let hops = check(dir.path()).await;
    assert_eq!(hops.len(), 1);
    assert_eq!(
        (hops[0].name[0], hops[0].standing),
        ("files", Standing::Failed)
    );
    let output = Output {
        language: proto::refusal::Language::English,
        json: true,
    };
    assert_eq!(run(dir.path(), output).await.unwrap_err().exit, Exit::Found);
}
