#!/usr/bin/env bash
# The whole switch, judged by a client that shares no code with it: a world of real processes is started, and the
# Python client of tests/foreign, which has nothing but one agency's files, asks, verifies and is refused. Then
# the log that is left is judged by aics-tlog, pymerkle and Go.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PYTHONDONTWRITEBYTECODE=1
world=$JUDGE_DIR/world said=$JUDGE_DIR/demo.out

"$MOHAWEL_BIN" demo --keep "$world" --people 200 --hold >"$said" 2>&1 &
demo=$!
trap 'kill -INT $demo 2>/dev/null || true' EXIT
for _ in $(seq 240); do
  ! grep -q 'Everything runs' "$said" || break
  kill -0 $demo 2>/dev/null || { cat "$said" >&2; exit 1; }
  sleep 0.5
done
grep -q 'Everything runs' "$said" || { cat "$said" >&2; echo 'the world did not start within two minutes' >&2; exit 1; }

person=$("$VENV/bin/python" - "$world/stores/civil.sqlite" <<'PYTHON'
import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute("SELECT min(national_id) FROM persons").fetchone()[0])
PYTHON
)
"$VENV/bin/python" tests/foreign/mohawel_client.py call "$world/agencies/moss" \
  EG/GOV/CIVIL/registry/persons.v1 household takaful-eligibility \
  governorate_ar,household_id,living_members,minors \
  "{\"operation\": \"household\", \"parameters\": {\"national_id\": \"$person\"}}"

kill -INT $demo
status=0
wait $demo || status=$?
[ $status -eq 0 ] || { tail -n 20 "$said" >&2; echo "the world ended with status $status" >&2; exit 1; }

"$VENV/bin/python" tests/judges/tlog/check.py "$world/switch/log"
go build -o "$JUDGE_DIR/check" tests/judges/tlog/check.go
"$JUDGE_DIR/check" "$world/switch/log"
