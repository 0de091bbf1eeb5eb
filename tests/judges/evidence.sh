#!/usr/bin/env bash
# A bundle of evidence, judged with nothing of ours: Python's zipfile unpacks it, aics-tlog reads its proofs, check.sh runs
# under dash and bash with openssl, the commands on its page are run as they stand there. Then one byte is changed in each
# class of file, the manifest is made to fit as a forger would do, and check.sh must refuse. File names that a shell could
# execute are tried too.
set -euo pipefail
cd "$JUDGE_DIR"

"$MOHAWEL_BIN" demo --keep world --people 200 >demo.out
log=world/auditor
id=$("$MOHAWEL_BIN" --json audit replay --log $log --list | grep '"code":"answered"' | sed -n '1s/.*"exchange_id":"\([^"]*\)".*/\1/p')
"$MOHAWEL_BIN" audit bundle --exchange "$id" --log $log --output one.zip >/dev/null
"$MOHAWEL_BIN" audit bundle --exchange "$id" --log $log --output two.zip >/dev/null
cmp one.zip two.zip
"$VENV/bin/python" -m zipfile --extract one.zip one

"$VENV/bin/python" - one <<'END'
import base64, sys
from pathlib import Path
import aics_tlog as tlog
folder = Path(sys.argv[1])
key = tlog.parse_vkey((folder / "log/log.vkey").read_text().strip())
proofs = sorted(folder.glob("entries/*.proof"))
for path in proofs:
    head, _, note = path.read_text().partition("\n\n")
    first, index, *hashes = head.split("\n")
    assert first == "c2sp.org/tlog-proof@v1"
    parsed = tlog.parse_note(note)
    assert tlog.verify_checkpoint(parsed, key, expected_origin=key.name).ok
    head = tlog.parse_checkpoint(parsed.text)
    leaf = tlog.leaf_hash(path.with_suffix(".entry").read_bytes())
    assert tlog.verify_inclusion(leaf, int(index.removeprefix("index ")), head.size, [base64.b64decode(h) for h in hashes], head.root)
assert len(proofs) > 5
print(f"aics-tlog verifies {len(proofs)} proofs of the bundle")
END

for shell in dash bash; do
  said=$(env -i PATH="$PATH" TMPDIR="${TMPDIR:-/tmp}" $shell one/check.sh)
  grep -q 'seals hold' <<<"$said"
done
echo 'check.sh is content under dash and bash'

# As a court's expert would type them, from the page.
"$VENV/bin/python" - one/page.html >commands <<'END'
import html, re, sys
page = open(sys.argv[1], encoding="utf-8").read()
for command in re.findall(r"<pre>(openssl .*?)</pre>", page, re.S):
    print(html.unescape(command))
END
[ "$(wc -l <commands)" -ge 2 ]
(cd one && bash -euo pipefail ../commands >/dev/null)
echo "the $(wc -l <commands) commands on the page hold"

# refuses FOLDER WHAT: check.sh ends with 1 and says why.
refuses() {
  local status=0
  sh "$1/check.sh" >said 2>&1 || status=$?
  [ $status -ne 0 ] || { echo "accepted: $2" >&2; cat said >&2; exit 1; }
}
# One byte of a file, the other value of its last bit.
flip() {
  local byte
  byte=$(xxd -s "$2" -l 1 -p "$1")
  printf %02x $((0x$byte ^ 1)) | xxd -r -p | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
refit() { sed -i "s|^\({\"path\":\"$2\",\"sha256\":\"\)[0-9a-f]*|\1$(sha256sum <"$1/$2" | cut -d' ' -f1)|" "$1/manifest.json"; }

request=$(cd one && ls entries/*.entry | tail -2 | head -1) answer=$(cd one && ls entries/*.entry | tail -1)
refused=0
for file in "$request" "${request%.entry}."{proof,header,signed,signature} "$answer" "${answer%.entry}."{proof,signature} \
  entries/00000000000000000000.entry log/checkpoint log/checkpoint.text log/checkpoint.sig log/log.pem "$(cd one && ls keys/* | head -1)"; do
  for at in 0 $(($(stat -c %s "one/$file") / 2)); do
    rm -rf bad && cp -r one bad
    flip "bad/$file" "$at"
    refuses bad "$file changed at $at"
    refit bad "$file"
    refuses bad "$file changed at $at, manifest made to fit"
    refused=$((refused + 2))
  done
done
for file in page.html manifest.json; do
  rm -rf bad && cp -r one bad
  flip "bad/$file" 100
  [ $file = manifest.json ] || refuses bad "$file changed"
  "$MOHAWEL_BIN" audit verify bad >/dev/null 2>&1 && { echo "verify accepted another $file" >&2; exit 1; }
  refused=$((refused + 1))
done
rm -rf bad && cp -r one bad && rm "bad/${answer%.entry}.proof"
refuses bad 'a file is missing'
rm -rf bad && cp -r one bad && echo x >bad/entries/more
refuses bad 'a file more'
echo "check.sh refuses all of $refused changed bundles"

# A name and a number that bash would run as a command where it counts with them.
rm -rf bad && cp -r one bad
stem=$(basename "$answer" .entry) hostile='x[$(touch ran)]'
for ending in entry proof header signed signature; do mv "bad/entries/$stem.$ending" "bad/entries/$hostile.$ending"; done
sed -i "2s/.*/index $hostile/" "bad/entries/$hostile.proof"
sed -i "s|entries/$stem|entries/$hostile|" bad/manifest.json
digest=$(sha256sum <"bad/entries/$hostile.proof" | cut -d' ' -f1)
sed -i "/touch ran)]\.proof\"/s|\"sha256\":\"[0-9a-f]*|\"sha256\":\"$digest|" bad/manifest.json
for shell in dash bash; do
  $shell bad/check.sh >said 2>&1 && { echo "$shell accepted a hostile name" >&2; exit 1; }
  grep -q 'is no number' said || { cat said >&2; exit 1; }
done
[ ! -e ran ] && [ ! -e bad/ran ]
echo 'a hostile name runs nothing'
