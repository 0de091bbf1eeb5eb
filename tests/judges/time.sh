#!/usr/bin/env bash
# Trusted time, judged by openssl: a switch of real processes has its log stamped by an authority that is openssl, and
# openssl verifies every token that was kept. Then mutants: openssl and `mohawel audit` must refuse each of them, and a
# token that only came too late convicts the stamps behind its checkpoint.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=$PWD/tests/judges/time
cd "$JUDGE_DIR"
export MOHAWEL_LANG=en
running=()
trap 'for job in "${running[@]}"; do kill "$job" 2>/dev/null || true; done; wait' EXIT

cat >openssl.cnf <<'CONFIGURATION'
[req]
distinguished_name = dn
[dn]
[root]
basicConstraints = critical,CA:TRUE
[stamps]
extendedKeyUsage = critical,timeStamping
[relaxed]
extendedKeyUsage = timeStamping
[tsa]
default_tsa = reply
[reply]
serial = tokens.txt
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
clock_precision_digits = 3
CONFIGURATION
export OPENSSL_CONF=$PWD/openssl.cnf

# authority NAME GENPKEY_OPTION...: makes a folder with a root and a time-stamp certificate.
authority() {
  local name=$1
  shift
  mkdir "$name"
  cp openssl.cnf "$name"
  echo 01 >"$name/tokens.txt"
  (
    cd "$name"
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out root.key
    openssl req -x509 -new -key root.key -subj "/CN=$name root" -days 3 -extensions root -out root.pem
    openssl genpkey "$@" -out tsa.key
    openssl req -new -key tsa.key -subj "/CN=$name" -out tsa.csr
    for use in stamps relaxed; do
      openssl x509 -req -in tsa.csr -CA root.pem -CAkey root.key -set_serial 7 -days 2 -extfile openssl.cnf \
        -extensions $use -out $use.pem
    done
    mv stamps.pem tsa.pem
  ) 2>/dev/null
}
authority away -algorithm EC -pkeyopt ec_paramgen_curve:P-256
authority east -algorithm EC -pkeyopt ec_paramgen_curve:P-256
authority west -algorithm RSA -pkeyopt rsa_keygen_bits:2048
for name in east west; do
  python3 "$here/authority.py" $name &
  running+=($!)
  timeout 20 sh -c "until [ -s $name/port ]; do sleep 0.1; done"
done

"$MOHAWEL_BIN" init switch --instance EG --origin switch.example/log \
  --exchange-listen 127.0.0.1:0 --enrol-listen 127.0.0.1:0 >init.out
# configure NAME: `away` is asked first and never there.
cp switch/switch.toml switch.toml.plain
configure() {
  {
    cat switch.toml.plain
    printf '[time]\ninterval = "1s"\n'
    printf '[[time.authorities]]\nurl = "http://127.0.0.1:9/"\nroot = "%s/away/root.pem"\n' "$PWD"
    printf '[[time.authorities]]\nurl = "http://127.0.0.1:%s/tsa"\nroot = "%s/%s/root.pem"\n' "$(cat "$1/port")" "$PWD" "$1"
  } >switch/switch.toml
}
log=switch/log
tokens() { { find $log/time -name "*.tsr" 2>/dev/null || true; } | wc -l; }
# Each start records at least one entry, so each run has a size of its own; the second word is over a log that stands still.
for name in east west east; do
  configure $name
  before=$(tokens)
  "$MOHAWEL_BIN" broker --switch switch >broker.out 2>broker.err &
  broker=$!
  running+=($broker)
  for _ in $(seq 200); do
    [ "$(tokens)" -lt $((before + 2)) ] || break
    kill -0 $broker 2>/dev/null || { cat broker.err >&2; exit 1; }
    sleep 0.2
  done
  kill -INT $broker
  wait $broker || { tail -n 20 broker.err >&2; exit 1; }
  [ "$(tokens)" -ge $((before + 2)) ] || { tail -n 20 broker.err >&2; echo "$name: no tokens" >&2; exit 1; }
done
cat east/root.pem west/root.pem >roots.pem

# judged LOG: whether openssl verifies every token of the log.
judged() {
  local token note count=0
  for token in "$1"/time/*.tsr; do
    note=${token%.tsr}
    openssl ts -verify -data "${note%.last}.checkpoint" -in "$token" -CAfile roots.pem >/dev/null 2>&1 || return 1
    count=$((count + 1))
  done
  [ $count -ge 6 ]
}
# ours LOG: whether mohawel does, and every stamp beside them.
ours() { "$MOHAWEL_BIN" audit verify --log "$1" --time-roots roots.pem >said 2>&1; }
judged $log || { echo 'openssl refuses a token that was kept' >&2; exit 1; }
ours $log || { cat said >&2; exit 1; }
grep -q "^time-stamp tokens verified: $(tokens) / $(tokens)\$" said || { cat said >&2; exit 1; }
echo "openssl verifies $(tokens) tokens that the switch kept"

sizes=($(cd $log/time && ls ./*.checkpoint | sed 's/.*\/\(.*\)\.checkpoint/\1/' | sort))
first=${sizes[0]} second=${sizes[1]}
# patch FILE OFFSET: the other value of one bit. A negative offset counts from the end.
patch() {
  python3 - "$@" <<'PYTHON'
import pathlib, sys
path, at = pathlib.Path(sys.argv[1]), int(sys.argv[2])
data = bytearray(path.read_bytes())
data[at] ^= 1
path.write_bytes(data)
PYTHON
}
# stamp NAME CERTIFICATE NOTE TOKEN: another token over NOTE, made now, whatever its certificate is for.
stamp() {
  openssl ts -query -data "$3" -sha256 -cert -out query.tsq 2>/dev/null
  cp query.tsq "$1/query.tsq"
  (cd "$1" && openssl ts -reply -queryfile query.tsq -signer tsa.pem -inkey tsa.key -out made.tsr) 2>/dev/null
  if [ "$2" != tsa.pem ]; then
    # openssl itself refuses to stamp with such a certificate: the same statement is signed with its CMS instead.
    (
      cd "$1"
      openssl ts -reply -in made.tsr -token_out -out made.der 2>/dev/null
      openssl cms -verify -noverify -inform DER -in made.der -binary -out info.der 2>/dev/null
      openssl cms -sign -binary -nodetach -md sha256 -in info.der -signer "$2" -inkey tsa.key -outform DER \
        -econtent_type 1.2.840.113549.1.9.16.1.4 -cades -out made.der
      openssl ts -reply -in made.der -token_in -out made.tsr 2>/dev/null
    )
  fi
  cp "$1/made.tsr" "$4"
}
mutant() { rm -rf mutant && mkdir mutant && cp -r $log/checkpoint $log/log.vkey $log/tile $log/time mutant && cd mutant/time; }
refused=0
# both NAME: neither believes the mutant.
both() {
  cd ../..
  if judged mutant; then echo "$1: openssl accepts it" >&2; exit 1; fi
  if ours mutant; then echo "$1: mohawel accepts it" >&2; exit 1; fi
  grep -q "^error time_" said || { cat said >&2; echo "$1: refused for something else" >&2; exit 1; }
  refused=$((refused + 1))
}
mutant && cp $first.tsr $second.tsr && both 'a token over another checkpoint'
mutant && patch $first.tsr -1 && both 'one bit of a signature'
mutant && patch $first.tsr 200 && both 'one bit of a statement or a certificate'
mutant && patch $first.checkpoint 0 && both 'one bit of a note'
mutant && printf '\n' >>$first.checkpoint && both 'a longer note'
mutant && truncate -s -1 $first.tsr && both 'a token without its end'
mutant && : >$first.tsr && both 'an empty token'
mutant && head -c 100000 /dev/zero >$first.tsr && both 'a huge token'
mutant && (cd ../.. && stamp away tsa.pem mutant/time/$first.checkpoint mutant/time/$first.tsr) && both 'an authority without a root'
mutant && (cd ../.. && stamp east relaxed.pem mutant/time/$first.checkpoint mutant/time/$first.tsr) &&
  both 'a certificate that is not for time-stamping alone'
echo "openssl and mohawel refuse all of $refused mutants"

# A sound token that came late: openssl believes it, and so what was recorded behind its checkpoint is back-dated.
sleep 6
mutant && cd ../.. && stamp west tsa.pem mutant/time/$first.checkpoint mutant/time/$first.last.tsr
judged mutant
if ours mutant; then echo 'stamps from before a token are accepted' >&2; exit 1; fi
grep -q '^error back_dated at' said || { cat said >&2; exit 1; }
echo "a late token convicts the stamps behind its checkpoint"
