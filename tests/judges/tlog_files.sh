#!/usr/bin/env bash
# The log's files, judged by software that others wrote: aics-tlog with pymerkle and tlog-scales (Python), and Go's
# own golang.org/x/mod/sumdb. They must accept what we wrote, at sizes around every tile boundary, and refuse
# every damaged or dishonest copy of it.
set -euo pipefail
cd "$(dirname "$0")/../.."
judges=tests/judges/tlog

"$WRITE_LOG" "$JUDGE_DIR/small" 1 2 255 256 257 600
"$WRITE_LOG" "$JUDGE_DIR/large" 600 65535 65536 66000
go build -o "$JUDGE_DIR/check" $judges/check.go

for log in small large; do
  "$VENV/bin/python" $judges/check.py "$JUDGE_DIR/$log"
  "$VENV/bin/python" $judges/scales.py "$JUDGE_DIR/$log"
  "$JUDGE_DIR/check" "$JUDGE_DIR/$log"
done

mkdir "$JUDGE_DIR/mutants"
"$VENV/bin/python" $judges/mutants.py "$JUDGE_DIR/small" "$JUDGE_DIR/mutants"
refused=0
for mutant in "$JUDGE_DIR"/mutants/*; do
  for judge in "$VENV/bin/python $judges/check.py" "$VENV/bin/python $judges/scales.py" "$JUDGE_DIR/check"; do
    status=0
    said=$($judge "$mutant" 2>&1) || status=$?
    # A judge that broke has not refused.
    if [ $status -ne 1 ] || [[ $said != *": refused: "* ]]; then
      printf '%s: %s ended with %s: %s\n' "$(basename "$mutant")" "$judge" $status "$said" >&2
      exit 1
    fi
    refused=$((refused + 1))
  done
done
[ $refused -ge 120 ] || { echo "only $refused refusals: mutants are missing" >&2; exit 1; }
echo "all three refuse all of $((refused / 3)) damaged or dishonest copies"
