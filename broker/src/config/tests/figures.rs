//! `[metrics]`: none, or on a loopback address.

use super::*;

#[test]
fn figures_are_none_unless_written_and_for_this_machine_alone() {
    let with = |more: &str| format!("{EXAMPLE}\n{more}");
    let base = Path::new("/etc/mohawel");
    assert_eq!(Config::from_toml(EXAMPLE, base).unwrap().metrics, None);
    let shown = EXAMPLE.lines().find(|line| line.starts_with("#listen = "));
    let shown = format!("[metrics]\n{}\n", shown.unwrap().trim_start_matches('#'));
    for (text, listen) in [
        (shown.as_str(), "127.0.0.1:9464"),
        ("[metrics]\nlisten = \"[::1]:0\"\n", "[::1]:0"),
    ] {
        let metrics = Config::from_toml(&with(text), base).unwrap().metrics;
        assert_eq!(metrics.unwrap().listen, listen.parse().unwrap());
    }
    for text in [
        "[metrics]\n",
        "[metrics]\nlisten = \"0.0.0.0:9464\"\n",
        "[metrics]\nlisten = \"10.1.2.3:9464\"\n",
        "[metrics]\nlisten = \"127.0.0.1\"\n",
        "[metrics]\nlisten = 9464\n",
    ] {
        let found = problems(&with(text));
        assert_eq!(found[0].key, "metrics.listen", "{text}");
        assert!(!found[0].remedy.is_empty());
    }
    assert_eq!(
        problems(&with("[metrics]\nlisten = \"127.0.0.1:1\"\nport = 1\n"))[0].key,
        "metrics.port"
    );
}
