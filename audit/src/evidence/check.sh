#!/bin/sh
# check.sh [LOG.pem [TIME-ROOTS.pem]]: checks this bundle with openssl, sha256sum, xxd and POSIX tools; ends with 0 when it holds.
# Name the log's key and the time-stamp authority's root as you got them elsewhere: those inside prove only that the bundle
# agrees with itself. Left to `mohawel audit verify`: that page.html says what the entries say, the registry's rules, the
# decision under the agreement, the witnesses.
set -eu; umask 077; whole() { [ -z "$1" ] || echo "$(cd "$(dirname "$1")" && pwd)/$(basename "$1")"; }
key=$(whole "${1:-}") roots=$(whole "${2:-}"); cd "$(dirname "$0")"; key=${key:-$PWD/log/log.pem}
t=$(mktemp -d); trap 'rm -rf "$t"' EXIT; trap 'exit 1' INT TERM; for f in keys bound asked chain; do : >"$t/$f"; done
no() { echo "FAILED: $*" >&2; exit 1; }; holds() { "$@" >"$t/said" 2>&1 || no "$*: $(cat "$t/said")"; }
hex() { xxd -p "$@" | tr -d '\n'; }; unhex() { printf %s "$1" | xxd -r -p; }
spki=302a300506032b6570032100; pem() { unhex "$spki$1" | openssl pkey -pubin -inform DER >"$2"; }
sha256() { unhex "$1" | sha256sum | cut -c1-64; }; base64() { printf %s "$1" | openssl base64 -d -A | hex; }
der() { openssl pkey -pubin -in "$1" -outform DER | hex; }
same() { openssl pkey -pubin -in "$1" | cmp -s - "$1" || no "$1 is not a key in its one form"; }
ed25519() { holds openssl pkeyutl -verify -pubin -inkey "$1" -rawin -in "$2" -sigfile "$3"; }
take() { v=; [ "$1" = 0 ] || v=$(printf %s "$rest" | cut -c1-$(($1 * 2))); rest=$(printf %s "$rest" | cut -c$(($1 * 2 + 1))-); }
part() { take 2; take $((0x$v)); } # bytes behind their length
text() { if [ ${#1} -lt 48 ]; then printf '%x%s' $((64 + ${#1} / 2)) "$1"; elif [ ${#1} -lt 512 ]; then printf '58%02x%s' $((${#1} / 2)) "$1"; else printf '59%04x%s' $((${#1} / 2)) "$1"; fi; }
climb() { # LEAF INDEX SIZE HASH...: the root that a path leads to (RFC 9162, 2.1.3.2)
  case $2$3 in *[!0-9]*) no 'an index or a size is no number' ;; esac; r=$1 n=$2 s=$(($3 - 1)); shift 3
  for p; do
    [ $s -gt 0 ] || no 'a path is too long'
    if [ $((n % 2)) = 1 ] || [ $n = $s ]; then r=$(sha256 "01$p$r"); while [ $((n % 2)) = 0 ] && [ $n != 0 ]; do n=$((n / 2)) s=$((s / 2)); done
    else r=$(sha256 "01$r$p"); fi; n=$((n / 2)) s=$((s / 2))
  done
  [ $s = 0 ] && echo "$r" || no 'a path is too short'; }
by() { s=; while read -r i old new; do [ -n "$s" ] || s=$old; [ "$i" -ge "$1" ] || s=$new; done <"$t/chain"; echo "$s"; } # SIZE: the log key that signs so many entries
checkpoint() { # FILE: signed by the log; sets origin, size and root
  sed '/^$/,$d' "$1" >"$t/text"; { read -r origin; read -r size; read -r root; } <"$t/text"; root=$(base64 "$root"); : >"$t/signature"
  [ ! -s "$t/chain" ] || { log=$(by "$size"); key=$t/log.pem; pem "$log" "$key"; }
  id=$({ printf '%s\n' "$origin"; unhex "01$log"; } | sha256sum | cut -c1-8)
  sed '1,/^$/d' "$1" | while read -r _ who line; do rest=$(base64 "$line"); take 4; [ "$who $v" != "$origin $id" ] || unhex "$rest" >"$t/signature"; done
  ed25519 "$key" "$t/text" "$t/signature"; }
covered() { # PROOF CHECKPOINT LEAF INDEX: the tlog-proof leads to the root of the checkpoint that was read last
  [ "$(sed 2q "$1")" = "$(printf 'c2sp.org/tlog-proof@v1\nindex %s' "$4")" ] && sed '1,/^$/d' "$1" | cmp -s - "$2" || no "$1 is of another entry or another checkpoint"
  path=$(sed '1,2d;/^$/,$d' "$1" | while read -r hash; do base64 "$hash"; echo; done); [ "$(climb "$3" "$4" "$size" $path)" = "$root" ] || no "$1"; }
sed -n 's/^{"path":"\([^"]*\)","sha256":"\([0-9a-f]*\)".*/\2  \1/p' manifest.json >"$t/files"; holds sha256sum -c "$t/files"
[ $(($(wc -l <"$t/files") + 1)) = "$(find . -type f | wc -l | tr -d ' ')" ] || no 'there is a file that the manifest does not list'
succeeded() { # the log's next key: sealed by the one before, and by the new one in the facts
  old=$(printf %s "$header" | cut -c33-96) new=$(printf %s "$header" | cut -c125-188); case $header in "0801122c$spki${old}1a2c$spki$new"*) ;; *) no "$f names no log keys" ;; esac
  last=$(tail -n 1 "$t/chain" | cut -d' ' -f3); [ "$public" = "$spki$old" ] && [ "${last:-$old}" = "$old" ] || no "$f does not follow the log key before it"
  rest=$facts; take 6; take 69; [ "$(printf %s "$v" | tail -c 64)" = "$(sha256 "$spki$new")" ] || no "$f is not sealed by the new log key"; unhex "846a5369676e6174757265315845$v${aad}5824$head" >"$t/new.signed"
  take 4; unhex "$rest" >"$t/new.sig"; pem "$new" "$t/new.pem"; ed25519 "$t/new.pem" "$t/new.signed" "$t/new.sig"; echo "$i $old $new" >>"$t/chain"; }
same log/log.pem; given=$(der "$key" | cut -c25-88); key=$PWD/log/log.pem; log=$(der "$key" | cut -c25-88); signer=$log
checkpoint log/checkpoint; cmp "$t/text" log/checkpoint.text; cmp "$t/signature" log/checkpoint.sig; echo "ok: $origin signed for $size entries"
seals=0; for f in entries/*.entry; do
  b=${f%.entry} i=$(basename "$f" .entry | sed 's/^0*\(.\)/\1/') rest=$(hex "$f"); leaf=$(sha256 "00$rest"); covered "$b.proof" log/checkpoint "$leaf" "$i"
  echo "$leaf $i $b" >>"$t/leaves"; take 1; kind=$v; take 50; part; facts=$v; part; header=$v; part; rest=$v; of=keys
  case $kind in 01) labels=genesis ;; 10 | 18 | 19) labels=operator ;; 13) labels='authority succession' ;; 16) labels=act ;; 1a) labels=succession ;; 1c) labels=log-key ;; 20 | 22) labels=request of=bound ;;
    21 | 23) labels=answer of=bound ;; 24) labels=dispute of=bound ;; 31) labels=hold ;; 32) labels=erasure ;; 1d) labels=encryption-key ;; 34) labels=review ;; 35) labels=border ;; *) labels=authority ;; esac
  case $kind in 12 | 1a) echo "$header" | tee -a "$t/bound" >>"$t/keys" ;; 0? | 1?) echo "$header" >>"$t/keys" ;; 21 | 23 | 24)
    while read -r asked request && [ "${facts#*"$asked"}" = "$facts" ]; do :; done <"$t/asked"; [ -n "$asked" ] || no "$f belongs to no request here" ;; esac
  [ -n "$header$rest" ] || continue; unhex "$header" | cmp - "$b.header"; [ -n "$rest" ] || continue # the seal, from here on
  case $kind in 2d) labels=event of=bound ;; 2e) labels=subscription of=bound ;; 2f) labels=event-receipt of=bound ;; 36) labels=subscription-end of=bound ;; esac
  part; cose=$v; take 4; n=$((0x$v)); take 4; head=$(climb "$(sha256 "00$header")" $n $((0x$v)) $(printf %s "$rest" | fold -w 64))$v
  rest=$cose; take 3; take 69; protected=$v; kid=$(printf %s "$v" | tail -c 64); take 4; unhex "$rest" | cmp - "$b.signature"; k=keys/$kid.pem; same "$k"; public=$(der "$k")
  [ "$(sha256 "$public")" = "$kid" ] && grep -q "$public" "$t/$of" || no "$f is sealed by a key that no entry before it names"
  case $kind in 20) echo "$leaf 1a20$(sha256 "$header")2220$(sha256 "$cose")" >>"$t/asked" ;; 21 | 23) [ "${header#*"$request"}" != "$header" ] || no "$f answers another request" ;; esac
  made=; for label in $labels; do aad=$(text "$(printf 'mohawel/%s/v1\n%s' "$label" "$origin" | hex)")
    unhex "846a5369676e6174757265315845$protected${aad}5824$head" | cmp -s - "$b.signed" && made=1; done; [ -n "$made" ] || no "$b.signed is not made from the entry"
  if [ -f "$b.signature-der" ]; then holds openssl dgst -sha256 -verify "$k" -signature "$b.signature-der" "$b.signed"; else ed25519 "$k" "$b.signed" "$b.signature"; fi; seals=$((seals + 1)); [ "$kind" != 1c ] || succeeded
done; first=$(by 0); [ "$signer" = "$(by "$size")" ] || [ ! -s "$t/chain" ] || no 'the checkpoint is not signed by the log key that its entries name'
[ "$given" = "$signer" ] || grep -q "$given" "$t/chain" || no 'log/log.pem is not the key that was given'; head -n 1 "$t/keys" | grep -q "$spki${first:-$signer}" || no 'the first entry names another log key'; echo "ok: $(wc -l <"$t/leaves" | tr -d ' ') entries are under that checkpoint, $seals seals hold"
for f in disclosed/*.payload; do [ -e "$f" ] || continue; n=$(basename "$f" .payload); mac=$(openssl dgst -sha256 -mac HMAC -macopt "hexkey:$(hex "disclosed/$n.salt")" -r "$f" | cut -c1-64)
  [ "$(hex "entries/$n.header" | sed "s/$mac//")" != "$(hex "entries/$n.header")" ] || no "$f is not what was sealed"; echo "ok: $f is what was sealed"; done
[ -f time/token.tsr ] || { echo 'no time-stamp is in this bundle; everything else holds'; exit 0; }
checkpoint time/checkpoint; while read -r leaf i b; do [ ! -e "$b.time-proof" ] || covered "$b.time-proof" time/checkpoint "$leaf" "$i"; done <"$t/leaves"
[ -n "${roots:=$(ls time/roots.pem 2>/dev/null)}" ] || { echo 'NOT CHECKED: the time-stamp; name the root of its authority. Everything else holds'; exit 0; }
holds openssl ts -verify -data time/checkpoint -in time/token.tsr -CAfile "$roots"; echo "ok: time-stamped $(openssl ts -reply -in time/token.tsr -text 2>/dev/null | sed -n 's/^Time stamp: //p'); everything holds"
