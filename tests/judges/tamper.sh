#!/usr/bin/env bash
# The tamper matrix, judged by others: every forged log that `mohawel audit tamper-demo` leaves behind is given to
# aics-tlog with pymerkle and tlog-scales (Python) and to Go's sumdb, with the checkpoints that outsiders kept of the honest one. They must
# accept the honest log, and refuse each forgery that hashes and signatures can show. The rest needs the protocol, and
# is in the table as such: a minted key or a second end extends the log like any entry, and what was never logged has no hash.
set -euo pipefail
cd "$(dirname "$0")/../.."
judges=tests/judges/tlog

"$MOHAWEL_BIN" --json audit tamper-demo "$JUDGE_DIR/demo" >"$JUDGE_DIR/table.json"
go build -o "$JUDGE_DIR/check" $judges/check.go

rows=0
for place in "$JUDGE_DIR"/demo/rows/*/; do
  row=$(basename "$place")
  row=${row#*-}
  mkdir "$place/judged"
  for held in "$JUDGE_DIR"/demo/outsiders/checkpoint-*; do
    cp "$held" "$place/judged/${held##*-}.checkpoint"
  done
  case $row in
    nothing | forward-unlogged | mint-key | forge-review | encryption-key | ended-twice | submission-twice | forge-event | forge-outcome | forge-end) expected=0 ;;
    *) expected=1 ;;
  esac
  for judge in "$VENV/bin/python $judges/check.py" "$VENV/bin/python $judges/scales.py" "$JUDGE_DIR/check"; do
    status=0
    said=$($judge "$place" 2>&1) || status=$?
    # A judge that broke has not refused.
    if [ $status -ne $expected ] || { [ $status -eq 1 ] && [[ $said != *": refused: "* ]]; }; then
      printf '%s: %s ended with %s, expected %s: %s\n' "$row" "$judge" $status $expected "$said" >&2
      exit 1
    fi
  done
  rows=$((rows + 1))
done
[ $rows -ge 38 ] || { echo "only $rows rows" >&2; exit 1; }

# Those nine are caught by who holds what no hash holds: the consumer's own record, every member's fold, a replay's seals, its
# pairing, and its judgement of what is permitted.
python3 - "$JUDGE_DIR/table.json" <<'END'
import json, sys
table = {row["row"]: {caught["outsider"] for caught in row["caught_by"]} for row in json.load(open(sys.argv[1]))}
assert table["nothing"] == set(), table["nothing"]
assert "consumer" in table["forward-unlogged"] and "auditor" in table["forge-review"]
assert "member" in table["mint-key"] and "member" in table["encryption-key"]
assert "auditor" in table["ended-twice"] and "auditor" in table["submission-twice"]
assert all("auditor" in table[row] for row in ["forge-event", "forge-outcome", "forge-end"])
assert all(table[row] for row in table if row != "nothing")
END
echo "all three accept the honest log and refuse $((rows - 10)) forgeries of it; the other nine need the protocol, and were caught by it"
