#!/usr/bin/env bash
# The newer ways to exchange, judged by a client that shares no code with the switch: answers and requests in chunks, many
# items, sealed payloads, and a question that is left for a provider that is not there. The switch, the provider's adapter and its
# stores are real; the Python of tests/foreign has nothing but one agency's files. Then the log that is left is replayed,
# and judged by aics-tlog, pymerkle and Go.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PYTHONDONTWRITEBYTECODE=1
world=$JUDGE_DIR/world said=$JUDGE_DIR/demo.out
giza=$world/agencies/giza home=$world/agencies/archive archive=EG/GOV/ARCHIVE/deeds

"$MOHAWEL_BIN" demo --keep "$world" --people 200 --hold >"$said" 2>&1 &
demo=$!
adapter=
trap 'kill -INT $demo $adapter 2>/dev/null || true' EXIT
for _ in $(seq 240); do
  ! grep -q 'Everything runs' "$said" || break
  kill -0 $demo 2>/dev/null || { cat "$said" >&2; exit 1; }
  sleep 0.5
done
grep -q 'Everything runs' "$said" || { cat "$said" >&2; echo 'the world did not start within two minutes' >&2; exit 1; }

ours() { "$MOHAWEL_BIN" --json "$@" >"$JUDGE_DIR/ours.out" 2>"$JUDGE_DIR/ours.err" || { cat "$JUDGE_DIR/ours.err" >&2; exit 1; }; }
theirs() { "$VENV/bin/python" tests/foreign/ways.py "$@"; }

# An archive: maps in chunks, and owners whom nobody between the two may read.
ours agency invite EG/GOV/ARCHIVE --switch "$world/switch" --output "$JUDGE_DIR/archive.invitation"
ours adapter enrol "@$JUDGE_DIR/archive.invitation" --home "$home" --system deeds --name-en 'Land Archive' --name-ar 'أرشيف الأراضي' --no-passphrase
mkdir "$home/maps"
head -c 1000003 /dev/urandom >"$home/maps/north.map"
printf 'plot,owner,area\n1,منى أحمد,120\n2,سمير علي,95\n' >"$home/plots.csv"
cat >"$home/maps.toml" <<'END'
service = "maps.v1"
name_en = "Maps"
name_ar = "الخرائط"

[[operations]]
name = "deposit"
name_en = "Deposit a map"
name_ar = "إيداع خريطة"
fields = ["number"]

[[operations]]
name = "read"
name_en = "Read a map"
name_ar = "قراءة خريطة"
fields = ["map"]
END
cat >"$home/owners.toml" <<'END'
service = "owners.v1"
name_en = "Owners of plots"
name_ar = "ملاك القطع"

[[operations]]
name = "lookup"
name_en = "Who owns a plot"
name_ar = "مالك القطعة"
fields = ["owner"]
END
cat >"$home/plots.toml" <<'END'
service = "plots.v1"
name_en = "Plots"
name_ar = "القطع"

[[operations]]
name = "lookup"
name_en = "One plot"
name_ar = "قطعة واحدة"
fields = ["area"]
END
cat >"$home/providers.toml" <<'END'
[service."maps.v1"]
kind = "files"
folder = "maps"
[service."maps.v1".operation.read]
suffix = ".map"
fields = ["map"]
[service."maps.v1".operation.deposit]
accept = true
suffix = ".map"
fields = { number = "id" }

[service."owners.v1"]
kind = "csv"
file = "plots.csv"
[service."owners.v1".operation.lookup]
key = ["plot"]
fields = ["owner"]

[service."plots.v1"]
kind = "csv"
file = "plots.csv"
[service."plots.v1".operation.lookup]
key = ["plot"]
fields = ["area"]
END
cat >"$JUDGE_DIR/agreement.toml" <<'END'
consumer = "EG/GOV/GIZA"
provider = "EG/GOV/ARCHIVE"
days = 30

[[grants]]
system = "deeds"
service = "maps.v1"
operations = ["deposit", "read"]
purposes = ["citizen-service"]
fields = ["map", "number"]
legal_basis = "Synthetic legal basis for a test"
daily_quota = 0
retention_days = 30

[[grants]]
system = "deeds"
service = "plots.v1"
operations = ["lookup"]
purposes = ["citizen-service"]
fields = ["area"]
legal_basis = "Synthetic legal basis for a test"
daily_quota = 0
retention_days = 30

[[grants]]
system = "deeds"
service = "owners.v1"
operations = ["lookup"]
purposes = ["citizen-service"]
fields = ["owner"]
legal_basis = "Synthetic legal basis for a test"
daily_quota = 0
retention_days = 30
sensitivity = "restricted"
END
for service in maps owners plots; do ours service publish "$home/$service.toml" --home "$home"; done
ours adapter encryption-key --home "$home"
ours agreement propose "$JUDGE_DIR/agreement.toml" --home "$giza"
agreement=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["agreement"]["agreement"])' "$JUDGE_DIR/ours.out")
ours agreement accept "$agreement" --home "$home"

# Nobody is there to answer yet.
owner='{"operation": "lookup", "parameters": {"plot": "1"}}'
theirs submit "$giza" $archive/owners.v1 lookup citizen-service owner "$owner" "$JUDGE_DIR/left.json"

"$MOHAWEL_BIN" adapter run --home "$home" --providers "$home/providers.toml" >"$JUDGE_DIR/archive.out" 2>"$JUDGE_DIR/archive.log" &
adapter=$!
for _ in $(seq 120); do
  ! grep -q serving "$JUDGE_DIR/archive.out" || break
  kill -0 $adapter 2>/dev/null || { cat "$JUDGE_DIR/archive.log" >&2; exit 1; }
  sleep 0.25
done

theirs collect "$giza" "$JUDGE_DIR/left.json"
theirs sealed "$giza" $archive/owners.v1 lookup citizen-service owner "$owner"

# Two that are there and one that is not.
theirs items "$giza" $archive/plots.v1 lookup citizen-service area '{"plot": "1"}' '{"plot": "2"}' '{"plot": "3"}'

read='{"operation": "read", "parameters": {"id": "north"}}'
theirs stream "$giza" $archive/maps.v1 read citizen-service map "$read" "$JUDGE_DIR/north.map"
cmp "$home/maps/north.map" "$JUDGE_DIR/north.map"

theirs upload "$giza" $archive/maps.v1 deposit citizen-service number "$JUDGE_DIR/north.map"
kill -INT $adapter
wait $adapter
adapter=
# One file more, and nothing of what was refused.
cmp "$home/maps/north.map" "$(find "$home/maps" -type f ! -name north.map)"
# The other way round: our consumer's adapter seals, a provider that is not ours opens and answers, honestly or not.
: >"$JUDGE_DIR/provider.out"
"$VENV/bin/python" tests/foreign/provider.py "$home" "$home/plots.csv" honest open other-key other-header >"$JUDGE_DIR/provider.out" 2>&1 &
adapter=$!
for _ in $(seq 120); do
  ! grep -q attached "$JUDGE_DIR/provider.out" || break
  kill -0 $adapter 2>/dev/null || { cat "$JUDGE_DIR/provider.out" >&2; exit 1; }
  sleep 0.25
done
# code, and what is said
asked() {
  local status=0
  "$MOHAWEL_BIN" --json call $archive/owners.v1 lookup --home "$giza" --purpose citizen-service --fields owner --data "$owner" >"$JUDGE_DIR/asked.out" 2>&1 || status=$?
  [ $status -eq "$1" ] && grep -q "$2" "$JUDGE_DIR/asked.out" || { cat "$JUDGE_DIR/asked.out" "$JUDGE_DIR/provider.out" >&2; echo "ended with $status" >&2; exit 1; }
  echo "our consumer: $2 ($status)"
}
asked 0 'منى أحمد'
asked 3 answer_invalid
asked 4 "is not what the provider's header commits to"
asked 4 "is not what the provider's header commits to"
wait $adapter || { cat "$JUDGE_DIR/provider.out" >&2; exit 1; }
adapter=
cat "$JUDGE_DIR/provider.out"

kill -INT $demo
status=0
wait $demo || status=$?
[ $status -eq 0 ] || { tail -n 20 "$said" >&2; echo "the world ended with status $status" >&2; exit 1; }

ours audit replay --log "$world/switch/log" --key "$(cat "$giza/log.vkey")"
"$VENV/bin/python" tests/judges/tlog/check.py "$world/switch/log"
go build -o "$JUDGE_DIR/check" tests/judges/tlog/check.go
"$JUDGE_DIR/check" "$world/switch/log"
