#!/usr/bin/env bash
# flames.sh NAME [BINARY]: where the CPU goes while exchanges run, as flame graphs.
#
# Runs the bench (BINARY, else a fresh release build) with 1 KiB and 128 in flight, single and then stream, and samples the
# switch, the provider and the consumer together for SAMPLE_S seconds (15) each time. Writes
# benches/figures/NAME-SIDE-PROCESS.svg and prints the ten functions with the largest costs of their own. Frames below 0.7
# percent are left out of the drawings, not out of the tables. An older BINARY may know no sides: SIDES=unary ARGUMENTS='--only
# mohawel --in-flight 128' says how it is asked. Needs a machine that does nothing else, and the right to profile
# (kernel.perf_event_paranoid; for the kernel's names kernel.kptr_restrict = 0).
set -euo pipefail
cd "$(dirname "$0")/../.."
[ $# -ge 1 ] || { echo "usage: flames.sh NAME [BINARY]" >&2; exit 1; }
name=$1 binary=${2:-} seconds=${SAMPLE_S:-15}
read -ra sides <<<"${SIDES:-single stream}"
tests/scripts/tools.sh perf inferno nginx
if [ -z "$binary" ]; then
  cargo build --locked --quiet --release -p benches
  binary=${CARGO_TARGET_DIR:-target}/release/benches
fi
inferno=.tools/bin
work=$(mktemp -d) bench=
trap '[ -z "$bench" ] || kill "$bench" 2>/dev/null || true; rm -rf "$work"' EXIT

# pid_of PART: the bench's own child that plays it.
pid_of() { ps -o pid=,args= --ppid "$bench" | awk -v part="$1" '$0 ~ part { print $1; exit }'; }

# ten FOLDED: each function's own samples, the largest first, as rows of a table.
ten() {
  sed -E 's/.*;//; s/^\S*(edwards|curve)25519\S* /Ed25519: curve arithmetic /' "$1" | awk '
    { count = $NF; $NF = ""; own[$0] += count; all += count }
    END { for (leaf in own) printf "| %.1f %% | `%s` |\n", 100 * own[leaf] / all, substr(leaf, 1, length(leaf) - 1) }' |
    sort -t' ' -k2 -rn | awk 'NR <= 10'
}

mkdir -p benches/figures
for side in "${sides[@]}"; do
  read -ra arguments <<<"${ARGUMENTS:---sides $side --profile 1k}"
  "$binary" "${arguments[@]}" --rounds 1 --measure-ms $((seconds * 1000 + 20000)) >"$work/said" 2>&1 &
  bench=$!
  for _ in $(seq 60); do
    sleep 1
    switch=$(pid_of ' broker ') provider=$(pid_of ' provider ') consumer=$(pid_of ' consumer')
    [ -z "$consumer" ] || break
  done
  [ -n "$consumer" ] || { cat "$work/said" >&2; exit 1; }
  sleep 4
  perf record --quiet -F 499 -e cpu-clock --call-graph dwarf,16384 -p "$switch,$provider,$consumer" \
    -o "$work/perf.data" -- sleep "$seconds" >/dev/null
  # Its report comes in its own time; what it measures under the sampler is no figure.
  kill "$bench" 2>/dev/null || true
  wait "$bench" 2>/dev/null || true
  bench=
  for process in switch provider consumer; do
    perf script --no-inline --pid="${!process}" -i "$work/perf.data" 2>/dev/null |
      "$inferno/inferno-collapse-perf" >"$work/folded"
    "$inferno/inferno-flamegraph" --minwidth 0.7 --hash --title "$process, $side, $name" "$work/folded" \
      >"benches/figures/$name-$side-$process.svg"
    printf '\n%s, %s, %s\n' "$process" "$side" "$name"
    ten "$work/folded"
  done
done
