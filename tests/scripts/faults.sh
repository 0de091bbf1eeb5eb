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
