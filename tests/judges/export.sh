#!/usr/bin/env bash
# Exports of a log, read back by DuckDB: three formats must hold the same rows with the same values, be what
# `audit find` and `audit stats` say, and carry each entry so that its leaf hash comes out; damaged ones are refused. The table of
# a report must be what its JSON says.
set -euo pipefail
cd "$(dirname "$0")/../.."

"$MOHAWEL_BIN" demo --keep "$JUDGE_DIR/world" --people 300 >"$JUDGE_DIR/demo.out" 2>"$JUDGE_DIR/demo.err" \
  || { cat "$JUDGE_DIR/demo.out" "$JUDGE_DIR/demo.err" >&2; exit 1; }
# Longer than a Parquet row group, and of refusals that name nobody.
"$WRITE_LOG" "$JUDGE_DIR/large" 20000

export_all() {
  local log=$1 to=$2 format
  shift 2
  mkdir "$to"
  for format in jsonl csv parquet; do
    "$MOHAWEL_BIN" audit export --log "$log" -o "$to/entries.$format" "$@" >"$to/$format.said"
  done
  "$MOHAWEL_BIN" --json audit find --log "$log" "$@" >"$to/found.jsonl"
  "$MOHAWEL_BIN" --json audit stats --log "$log" --by outcome --top 100 "$@" >"$to/stats.json"
  "$VENV/bin/python" tests/judges/export/compare.py "$to"
}
export_all "$JUDGE_DIR/world/auditor" "$JUDGE_DIR/all" --verified
export_all "$JUDGE_DIR/world/auditor" "$JUDGE_DIR/refused" --kind refusal
export_all "$JUDGE_DIR/world/auditor" "$JUDGE_DIR/nothing" --purpose nobody-says-this
export_all "$JUDGE_DIR/large" "$JUDGE_DIR/many"

for log in "$JUDGE_DIR/world/auditor" "$JUDGE_DIR/large"; do
  report=$JUDGE_DIR/report-$(basename "$log")
  "$MOHAWEL_BIN" --json audit report --log "$log" --top 2 -o "$report.html" --parquet "$report.parquet" >"$report.json"
  "$VENV/bin/python" tests/judges/export/report.py "$report.parquet" "$report.json"
done

refuse() {
  local status=0 said
  said=$("$MOHAWEL_BIN" audit export --check "$@" 2>&1) || status=$?
  [ $status -eq 4 ] || { printf 'expected 4 (a proof does not hold), got %s: %s\n' $status "$said" >&2; exit 1; }
}
flip() { # FILE OFFSET: another byte there
  "$VENV/bin/python" - "$1" "$2" <<'END'
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(int(sys.argv[2]))
    byte = file.read(1)[0]
    file.seek(int(sys.argv[2]))
    file.write(bytes([byte ^ 1]))
END
}
log=$JUDGE_DIR/world/auditor
for format in jsonl csv parquet; do
  file=$JUDGE_DIR/all/entries.$format
  "$MOHAWEL_BIN" audit export --check "$file.manifest.json" --log "$log" >/dev/null
  size=$(stat -c %s "$file")
  for offset in 0 $((size / 2)) $((size - 1)); do
    flip "$file" $offset
    refuse "$file.manifest.json"
    flip "$file" $offset
  done
  # A file of fewer rows under a manifest that was made to fit it: the log contradicts.
  cp "$JUDGE_DIR/refused/entries.$format" "$JUDGE_DIR/entries.$format"
  "$VENV/bin/python" - "$JUDGE_DIR/refused/entries.$format.manifest.json" "$JUDGE_DIR/entries.$format.manifest.json" <<'END'
import json, sys
manifest = json.load(open(sys.argv[1]))
manifest["filter"] = {}
json.dump(manifest, open(sys.argv[2], "w"))
END
  "$MOHAWEL_BIN" audit export --check "$JUDGE_DIR/entries.$format.manifest.json" >/dev/null
  refuse "$JUDGE_DIR/entries.$format.manifest.json" --log "$log"
  # Another log.
  refuse "$file.manifest.json" --log "$JUDGE_DIR/large"
done
echo "damaged exports, and manifests that the log contradicts, are refused"
