#!/usr/bin/env bash
# What a court expert can do with nothing of ours: a golden seal, a P-256 seal, a checkpoint and an inclusion
# proof, verified with openssl, sha256sum and xxd. Each check is then made again with one bit changed and
# must fail.
set -euo pipefail
cd "$(dirname "$0")/../.."
golden=$PWD/tests/golden
cd "$JUDGE_DIR"

# value FILE NAME: one value of a golden file, as it stands there.
value() {
  local line
  line=$(grep -F "\"$2\": \"" "$golden/$1.json") || { echo "no $2 in $1.json" >&2; exit 1; }
  line=${line#*\": \"}
  printf '%s' "${line%%\"*}"
}
unhex() { xxd -r -p; }
sha256() { unhex | sha256sum | cut -d' ' -f1; }
# The other value of the last bit.
flip() { local hex=$1; printf '%s%x' "${hex%?}" $((0x${hex: -1} ^ 1)); }
fails() { if "$@" >/dev/null 2>&1; then echo "accepted after a change: $*" >&2; exit 1; fi; }

# ed25519 SPKI MESSAGE SIGNATURE, all hex.
ed25519() {
  printf %s "$1" | unhex >key.der
  printf %s "$2" | unhex >message
  printf %s "$3" | unhex >signature
  openssl pkeyutl -verify -pubin -keyform DER -inkey key.der -rawin -in message -sigfile signature >/dev/null
}

# COSE's Sig_structure, put together here from label, origin, kid, header and size: see docs/protocol.md, "Seal".
# sig_structure ALG KID LABEL ORIGIN HEAD SIZE
sig_structure() {
  local aad protected
  aad=$(printf '%s\n%s' "$3" "$4" | xxd -p | tr -d '\n')
  protected=a301${1}03781c$(printf application/vnd.mohawel.seal | xxd -p | tr -d '\n')045820$2
  printf '846a%s5845%s58%02x%s5824%s%08x' "$(printf Signature1 | xxd -p)" "$protected" $((${#aad} / 2)) "$aad" "$5" "$6"
}

origin=$(value v1 origin.text)
checked=0
keys=$(grep -o '"key\.[a-z_]*\.spki"' "$golden/v1.json" | cut -d. -f2)
for name in genesis moss_agency moss_key.possession moss_key service propose accept request answer dispute key_end \
  role giza_application giza_invitation giza_approval key_succession key_end_by_follower administrator service_full \
  group_propose delegation delegated authority_replacement authority_replacement_approval authority_objection; do
  header=$(value v1 $name.header)
  cose=$(value v1 $name.cose)
  kid=${cose:80:64} signature=${cose: -128}
  spki=
  for who in $keys; do
    key=$(value v1 key.$who.spki)
    [ "$(printf %s "$key" | sha256)" != "$kid" ] || spki=$key
  done
  [ -n "$spki" ] || { echo "$name: no key has this kid" >&2; exit 1; }
  leaf=$(printf 00%s "$header" | sha256)
  label=$(value v1 $name.label.text)
  ed25519 "$spki" "$(sig_structure 27 "$kid" "$label" "$origin" "$leaf" 1)" "$signature"
  changed=$(printf 00%s "$(flip "$header")" | sha256)
  fails ed25519 "$spki" "$(sig_structure 27 "$kid" "$label" "$origin" "$changed" 1)" "$signature"
  fails ed25519 "$spki" "$(sig_structure 27 "$kid" mohawel/other/v1 "$origin" "$leaf" 1)" "$signature"
  fails ed25519 "$spki" "$(sig_structure 27 "$kid" "$label" other.example/log "$leaf" 1)" "$signature"
  fails ed25519 "$spki" "$(sig_structure 27 "$kid" "$label" "$origin" "$leaf" 2)" "$signature"
  checked=$((checked + 1))
done
echo "openssl verifies $checked Ed25519 seals"

# Three headers sealed together: the head from the three leaves.
leaf() { printf 00%s "$(value v1 "$1".header)" | sha256; }
node() { printf 01%s%s "$1" "$2" | sha256; }
head=$(node "$(node "$(leaf batch_0)" "$(leaf batch_1)")" "$(leaf batch_2)")
cose=$(value v1 batch_1.cose)
ed25519 "$(value v1 key.moss_seal.spki)" \
  "$(sig_structure 27 "${cose:80:64}" mohawel/request/v1 "$origin" "$head" 3)" "${cose: -128}"
echo "openssl verifies a seal over three headers"

# A P-256 seal: r and s as DER integers.
der_integer() {
  local hex=$1
  while [ ${#hex} -gt 2 ] && [ "${hex:0:2}" = 00 ] && [ $((0x${hex:2:1})) -lt 8 ]; do hex=${hex:2}; done
  [ $((0x${hex:0:1})) -lt 8 ] || hex=00$hex
  printf '02%02x%s' $((${#hex} / 2)) "$hex"
}
es256() {
  local r s
  r=$(der_integer "${3:0:64}") s=$(der_integer "${3:64}")
  printf %s "$1" | unhex >key.der
  printf %s "$2" | unhex >message
  printf '30%02x%s%s' $(((${#r} + ${#s}) / 2)) "$r" "$s" | unhex >signature
  openssl dgst -sha256 -verify <(openssl pkey -pubin -inform DER -in key.der) -signature signature message >/dev/null
}
cose=$(value es256 seal.cose)
kid=$(value es256 key.spki | sha256)
leaf=$(printf 00%s "$(value es256 seal.header)" | sha256)
message=$(sig_structure 26 "$kid" "$(value es256 seal.label.text)" "$(value es256 origin.text)" "$leaf" 1)
[ "$message" = "$(value es256 seal.sig_structure)" ]
es256 "$(value es256 key.spki)" "$message" "${cose: -128}"
fails es256 "$(value es256 key.spki)" "$(flip "$message")" "${cose: -128}"
echo "openssl verifies a P-256 seal"

# The checkpoint: the text's signature, by the key in the vkey.
value receipts answer.checkpoint | unhex >checkpoint
sed '/^$/,$d' checkpoint >text
vkey=$(value receipts log.vkey.text)
spki=302a300506032b6570032100$(printf %s "${vkey##*+}" | base64 -d | xxd -p | tr -d '\n' | tail -c 64)
line=$(tail -1 checkpoint)
blob=$(printf %s "${line##* }" | base64 -d | xxd -p | tr -d '\n')
key_id=$( (printf '%s\n' "$origin"; printf 01%s "${spki: -64}" | unhex) | sha256sum | cut -c1-8)
[ "${blob:0:8}" = "$key_id" ]
ed25519 "$spki" "$(xxd -p text | tr -d '\n')" "${blob:8}"
fails ed25519 "$spki" "$(flip "$(xxd -p text | tr -d '\n')")" "${blob:8}"
root=$(sed -n 3p text | base64 -d | xxd -p | tr -d '\n')
echo "openssl verifies the checkpoint of $(sed -n 2p text) entries"

# Entry 13 of 14: the last one is the odd one out. Its siblings are the 13th (12), 8..11 and 0..7.
proof=$(value receipts answer.proof)
entry() { printf 00%s "$1" | sha256; }
climb() { node "${proof:128:64}" "$(node "${proof:64:64}" "$(node "${proof:0:64}" "$1")")"; }
[ "$(climb "$(entry "$(value v1 answer.entry)")")" = "$root" ]
[ "${proof:0:64}" = "$(entry "$(value v1 request.entry)")" ]
fails [ "$(climb "$(entry "$(flip "$(value v1 answer.entry)")")")" = "$root" ]
echo "sha256sum leads from the closing entry to the checkpoint's root"
