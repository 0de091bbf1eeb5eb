#!/usr/bin/env bash
# faults.sh: the long forms of the fault tests: what `cargo test` marks as ignored in the crates `audit` and `tests`, and
# the power cuts of a real file system. What each survives stands in docs/log.md, "What the log survives".
# A run that finds none of them would prove nothing, so it fails.
#
# On two cores, without the build:
#   audit: every write and sync failing, twice                    about 3 minutes
#   audit: three images of a power cut before every step          about 2 minutes
#   audit: 10,000 flipped bits                                    about 2 minutes
#   tests: kill -9, 1,000 cycles                                  about 20 minutes
#   tests: kill -9 of each party of each way to exchange, 100 cycles each   about 20 minutes; MOHAWEL_KILL_ROUNDS=N for others
#   powerloss.sh: 200 cycles, and as many of each control         about 35 minutes; needs root, loop devices, ext4
#   upgrade.sh: the version before this one                       about 10 minutes, most of it building
set -euo pipefail
cd "$(dirname "$0")/../.."
tests/scripts/tools.sh postgres
cargo build --locked --quiet -p cli
for crate in audit tests; do
  listing=$(cargo test --locked --quiet -p $crate -- --ignored --list)
  listed=$(grep -c ': test$' <<<"$listing") || { echo "no long test found in the crate $crate" >&2; exit 1; }
  began=$SECONDS
  tests/scripts/postgres.sh cargo test --locked -p $crate --no-fail-fast -- --ignored --test-threads=1 --nocapture
  printf '%s long tests of %s passed (%s s)\n' "$listed" $crate $((SECONDS - began))
done

if [ "$(id -u)" = 0 ]; then
  began=$SECONDS
  ROUNDS=200 tests/scripts/powerloss.sh
  printf 'power cut: 200 cycles of each writer (%s s)\n' $((SECONDS - began))
else
  echo "power cut on a real file system not tried: it mounts, so it needs root: ROUNDS=200 tests/scripts/powerloss.sh" >&2
fi

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
