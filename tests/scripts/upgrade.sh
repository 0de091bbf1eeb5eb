#!/usr/bin/env bash
# upgrade.sh OLD NEW: upgrade and roll back of one version, with two built binaries.
#
# A switch made and run by OLD goes on under NEW, back under OLD, and under NEW again, on one folder; both verify and
# replay what the other wrote. Once NEW has recorded a kind of entry that OLD does not know, OLD must refuse to start,
# name it, and change nothing.
set -euo pipefail
old=$(realpath "$1") new=$(realpath "$2")
dir=$(mktemp -d "${TMPDIR:-/tmp}/mohawel-upgrade.XXXXXX")
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || true' EXIT
cd "$dir"
fail() { echo "FAILED: $* (files in $dir)" >&2; exit 1; }

# A port that is free now; the switch keeps it for all its lives.
free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

start() {
  "$1" broker --switch switch >out 2>>log &
  pid=$!
  timeout 60 sh -c 'until grep -q "echo attached" out; do kill -0 '"$pid"' || exit 1; sleep 0.1; done' || fail "$1 does not start"
}
stop() { kill "$pid"; wait "$pid" || fail "it did not end in order"; pid=; }
call() { "$1" call EG/GOV/SWITCH/echo/echo.v1 echo --home giza --purpose test --data '{}' >>calls; }
holds() { "$1" audit replay --log switch/log >replayed || fail "the log does not hold for $1"; }
size() { "$new" --json audit verify --log switch/log | python3 -c 'import json, sys; print(json.load(sys.stdin)["size"])'; }

"$old" init switch --instance EG --origin "upgrade.test/$RANDOM" \
  --exchange-listen "127.0.0.1:$(free)" --enrol-listen "127.0.0.1:$(free)" >/dev/null
start "$old"
"$old" agency invite EG/GOV/GIZA --switch switch --output giza.invitation >/dev/null 2>&1
"$old" adapter enrol @giza.invitation --home giza --system homes --name-ar "الجيزة" --name-en "Giza" --no-passphrase >/dev/null
call "$old"
stop

for version in "$new" "$old" "$new"; do
  before=$(size)
  start "$version"
  call "$version"
  call "$old"
  stop
  [ "$(size)" -gt "$before" ] || fail "nothing was recorded by $version"
  holds "$old"
  holds "$new"
done
echo "upgrade and roll back on one folder: $(size) entries, both versions replay them"

# A kind that only NEW knows, if there is one: an auditor's reading.
start "$new"
"$new" role request omar --role auditor --name omar >/dev/null
"$new" role grant omar/role.request --output omar.answer --switch switch >/dev/null
"$new" role take omar omar.answer >/dev/null
sleep 2
"$new" audit fetch --as omar --to copy >/dev/null
stop
holds "$new"
if "$old" audit verify --log switch/log >verified 2>&1; then
  echo "both versions know every kind of entry"
else
  files() { find switch/log/tile switch/log/tail switch/log/checkpoint -type f -exec sha256sum {} + | sort; }
  files >before
  "$old" broker --switch switch >out 2>refused && fail "the older version started on entries that it does not know"
  # Commit 8985054 and those before it took the unknown kind for damage.
  grep -Eq 'unknown entry kind|the frame does not follow' refused || fail "another refusal: $(cat refused)"
  files | diff before - || fail "the refused start changed the log"
  start "$new"
  call "$new"
  stop
  holds "$new"
  echo "the older version refuses a newer kind, and the newer goes on"
fi
rm -rf "$dir"
