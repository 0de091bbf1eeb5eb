#!/usr/bin/env bash
# Witnesses, judged by software that others wrote: aics-witness (Python) cosigns our running switch beside a witness of our
# own; aics-tlog and tlog-scales verify what is published, and Go's sumdb passes over the witnesses' lines; the foreign
# client asks our witness, honestly and with a second history. At last the log is put back to an older copy, and the foreign
# witness must keep the switch from starting.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PYTHONDONTWRITEBYTECODE=1
dir=$JUDGE_DIR switch=$JUDGE_DIR/switch
pids=()
trap 'for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done; wait' EXIT

die() { echo "$*" >&2; exit 1; }

# wait_for WHAT COMMAND...: until the command succeeds, at most a minute.
wait_for() {
  local what=$1
  shift
  for _ in $(seq 300); do
    ! "$@" >/dev/null 2>&1 || return 0
    sleep 0.2
  done
  die "$what: not within a minute; see $dir"
}

port() { "$VENV/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

broker() {
  rm -f "$dir/broker.out"
  "$MOHAWEL_BIN" broker --no-echo --switch "$switch" >"$dir/broker.out" 2>"$dir/broker.err" &
  pids+=($!)
  broker=$!
  wait_for 'the switch listens' grep -q 'listening enrol' "$dir/broker.out"
}

end() {
  kill -TERM "$1"
  wait "$1" || die "it ended with status $?: $(tail -n 3 "$dir/broker.err")"
}

accepted() { "$MOHAWEL_BIN" audit verify --log "$switch/log" --policy "$dir/policy"; }

"$MOHAWEL_BIN" init "$switch" --instance EG --origin judge.example/log \
  --exchange-listen 127.0.0.1:0 --enrol-listen 127.0.0.1:0 >/dev/null
log_vkey=$(cat "$switch/log/log.vkey")

ours=$(port) theirs=$(port)
"$MOHAWEL_BIN" witness init "$dir/ours" --name witness.example/ours --listen 127.0.0.1:"$ours" --log "$log_vkey" >/dev/null
"$MOHAWEL_BIN" witness run "$dir/ours" >"$dir/ours.out" 2>"$dir/ours.err" &
pids+=($!)
mkdir "$dir/theirs"
theirs_vkey=$(aics-witness init --config "$dir/theirs/witness.json" --name witness.example/theirs --listen 127.0.0.1:"$theirs" 2>/dev/null)
aics-witness add-log --config "$dir/theirs/witness.json" --origin judge.example/log --vkey "$log_vkey" >/dev/null 2>&1
aics-witness serve --config "$dir/theirs/witness.json" >"$dir/theirs.out" 2>"$dir/theirs.err" &
pids+=($!)
wait_for 'our witness listens' grep -q 'listening witness' "$dir/ours.out"
wait_for 'their witness listens' grep -q 'listening on' "$dir/theirs.err"

cat >"$dir/policy" <<POLICY
log $log_vkey
witness ours $(cat "$dir/ours/witness.vkey") http://127.0.0.1:$ours
witness theirs $theirs_vkey http://127.0.0.1:$theirs
group both all ours theirs
quorum both
POLICY
printf '\n[witness]\npolicy = "%s"\n' "$dir/policy" >>"$switch/switch.toml"

broker
wait_for 'both cosign what is published' accepted
end "$broker"
cp -r "$switch/log" "$dir/older"
broker
wait_for 'both cosign what is published after a restart' accepted
end "$broker"
accepted >/dev/null || die 'the last checkpoint of an orderly end is not cosigned'

"$VENV/bin/python" tests/judges/witness/check.py "$switch" "http://127.0.0.1:$ours" "$(cat "$dir/ours/witness.vkey")" "$theirs_vkey"
go build -o "$dir/check" tests/judges/tlog/check.go
"$dir/check" "$switch/log"
status=0
"$MOHAWEL_BIN" witness status "$dir/ours" >"$dir/status" 2>&1 || status=$?
[ $status -eq 1 ] || die "our witness kept no evidence of the second history: $status, $(cat "$dir/status")"

rm -r "$switch/log"
cp -r "$dir/older" "$switch/log"
status=0
"$MOHAWEL_BIN" broker --no-echo --without-witnesses --switch "$switch" >"$dir/broker.out" 2>"$dir/broker.err" || status=$?
[ $status -eq 4 ] || die "a log that was put back started: $status, $(tail -n 3 "$dir/broker.err")"
grep -q 'cosigned .* entries of this log' "$dir/broker.err" || die "$(cat "$dir/broker.err")"
echo 'a log that was put back does not start'
