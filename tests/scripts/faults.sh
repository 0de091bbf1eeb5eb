#!/usr/bin/env bash
# faults.sh: the long forms of the fault tests: what `cargo test` marks as ignored in the crate `tests`.
# A run that finds none of them would prove nothing, so it fails.
set -euo pipefail
cd "$(dirname "$0")/../.."
tests/scripts/tools.sh postgres
cargo build --locked --quiet -p cli
listing=$(cargo test --locked --quiet -p tests -- --ignored --list)
listed=$(grep -c ': test$' <<<"$listing") || { echo "no long test found in the crate tests" >&2; exit 1; }
tests/scripts/postgres.sh cargo test --locked -p tests --no-fail-fast -- --ignored --test-threads=1
printf '%s long tests passed\n' "$listed"

# The version before this one, built from its own commit, where the history is there.
previous=$(cat tests/scripts/previous-version)
if git cat-file -e "$previous^{commit}" 2>/dev/null; then
  target=${CARGO_TARGET_DIR:-$PWD/target}
  source=$(mktemp -d "${TMPDIR:-/tmp}/mohawel-previous.XXXXXX")
  git archive "$previous" | tar -x -C "$source"
  CARGO_TARGET_DIR=$target/previous cargo build --locked --quiet --manifest-path "$source/Cargo.toml" -p cli
  rm -rf "$source"
  tests/scripts/upgrade.sh "$target/previous/debug/mohawel" "$target/debug/mohawel"
else
  echo "upgrade and roll back not tried: $previous is not in this copy of the history" >&2
  exit 1
fi
