#!/usr/bin/env bash
# judges.sh [NAME...]: lets outsiders judge the switch: clients and verifiers that share no code with it.
#
# Runs every tests/judges/*.sh (or only the named ones), one after the other, each for at most twenty
# minutes, in a folder of its own that is deleted when the judge passes. A judge exits 0 or it failed.
# It finds:
#   MOHAWEL_BIN   the switch's binary, freshly built
#   WRITE_LOG     writes a log directory of the sizes it is given
#   JUDGE_DIR     its own empty folder
#   VENV          the Python environment of judges.txt; $VENV/bin is first in PATH
#   GO111MODULE, GOPATH, GOFLAGS  so that `go run FILE.go` finds Debian's golang.org/x/mod, with no network
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD

tests/scripts/tools.sh judges go openssl
# As the tests built them: a build of one package alone would choose other features and compile everything again.
cargo build --locked --quiet --workspace --bins --examples

export MOHAWEL_BIN=${CARGO_TARGET_DIR:-$root/target}/debug/mohawel
export WRITE_LOG=${CARGO_TARGET_DIR:-$root/target}/debug/examples/write_log
export VENV=$root/.tools/judges
export PATH=$VENV/bin:$PATH
export GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE=$root/.tools/go-cache CGO_ENABLED=0
for built in "$MOHAWEL_BIN" "$WRITE_LOG"; do
  [ -x "$built" ] || { echo "not built: $built" >&2; exit 1; }
done

passed=0 failed=0
judge() {
  local file=$1 name began=$SECONDS verdict
  name=$(basename "$file" .sh)
  JUDGE_DIR=$(mktemp -d "${TMPDIR:-/tmp}/mohawel-judge-$name.XXXXXX")
  export JUDGE_DIR
  printf '==> judge %s\n' "$name"
  if timeout --kill-after=10 1200 "$file" </dev/null; then
    passed=$((passed + 1)) verdict=passed
    rm -rf "$JUDGE_DIR"
  else
    verdict="FAILED with status $?, its files are in $JUDGE_DIR"
    failed=$((failed + 1))
  fi
  printf '    %s: %s (%s s)\n' "$name" "$verdict" $((SECONDS - began))
}

if [ $# -gt 0 ]; then
  files=("${@/#/tests/judges/}") && files=("${files[@]/%/.sh}")
else
  files=(tests/judges/*.sh)
fi
for file in "${files[@]}"; do
  [ -x "$file" ] || { echo "no judge, or not executable: $file" >&2; exit 1; }
  judge "$root/$file"
done
printf '%s passed, %s failed\n' $passed $failed
[ $failed -eq 0 ]
