//! The refusal table of `docs/protocol.md` against the one file that names gRPC and HTTP codes.

use broker::exchange::reply::{grpc_code, http_status};
use proto::Code;

/// INVALID_ARGUMENT for InvalidArgument, as gRPC's own documents write it.
fn shouted(word: &str) -> String {
    let mut out = String::new();
    for letter in word.chars() {
        if letter.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(letter.to_ascii_uppercase());
    }
    out
}

#[test]
fn the_page_names_the_codes_that_callers_get() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/protocol.md");
    let page = std::fs::read_to_string(page).unwrap();
    for code in Code::ALL {
        let (grpc, http) = (grpc_code(*code), http_status(*code).as_u16());
        let grpc = shouted(&format!("{grpc:?}"));
        let row = format!("\n| `{}` | {grpc} | {http} |", code.name());
        assert!(page.contains(&row), "docs/protocol.md has no row {row}");
    }
}
