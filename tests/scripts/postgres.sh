#!/usr/bin/env bash
# postgres.sh COMMAND...: runs COMMAND beside a PostgreSQL server made for it and thrown away after it.
#
# COMMAND finds the server's URL in MOHAWEL_TEST_POSTGRES: a superuser with a password, on a free
# loopback port, no socket file. The system's own clusters are not touched. The server keeps nothing
# safe from a power cut (fsync off), which nobody needs here.
#
# postgres.sh --found: succeeds when the server's programs are on this machine.
set -euo pipefail

# Debian keeps initdb and pg_ctl out of the PATH; the newest version wins.
find_programs() {
  local folder
  for folder in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV) $(dirname "$(command -v initdb || true)"); do
    if [ -x "$folder/initdb" ] && [ -x "$folder/pg_ctl" ]; then
      echo "$folder"
      return
    fi
  done
  return 1
}

if [ "${1:-}" = --found ]; then
  find_programs >/dev/null
  exit
fi
[ $# -gt 0 ] || { echo "usage: postgres.sh COMMAND..." >&2; exit 2; }
programs=$(find_programs) || { echo "no PostgreSQL server here: run tests/scripts/tools.sh postgres" >&2; exit 1; }

# PostgreSQL refuses to run as root: then the packaged user owns the cluster, or nobody.
folder=$(mktemp -d "${TMPDIR:-/tmp}/mohawel-postgres.XXXXXX")
owner=$(id -un)
if [ "$EUID" -eq 0 ]; then
  if id postgres >/dev/null 2>&1; then owner=postgres; else owner=nobody; fi
fi
as_owner() (
  cd "$folder"
  if [ "$EUID" -eq 0 ]; then exec setpriv --reuid="$owner" --regid="$(id -g "$owner")" --clear-groups "$@"; else exec "$@"; fi
)

stop() {
  as_owner "$programs/pg_ctl" --pgdata="$folder/data" --mode=immediate --silent stop >/dev/null 2>&1 || true
  rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
(umask 077 && echo "$password" >"$folder/password")
chown -R "$owner" "$folder"
as_owner "$programs/initdb" --pgdata="$folder/data" --username=mohawel --pwfile="$folder/password" \
  --auth=scram-sha-256 --encoding=UTF8 --locale=C --no-sync >"$folder/initdb.log" 2>&1 \
  || { cat "$folder/initdb.log" >&2; exit 1; }

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# Another process may take the port between our look and the server's bind: look again, five times.
for attempt in 1 2 3 4 5; do
  port=$(free_port)
  settings="-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories= -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
  # pg_ctl writes the server's log as its owner, and must not hold our output open.
  if as_owner "$programs/pg_ctl" --pgdata="$folder/data" --wait --timeout=60 --log="$folder/server.log" \
    --options="$settings" start >"$folder/start.log" 2>&1 </dev/null; then
    break
  fi
  [ "$attempt" -lt 5 ] || { cat "$folder/server.log" >&2; exit 1; }
done

MOHAWEL_TEST_POSTGRES="postgres://mohawel:$password@127.0.0.1:$port/postgres" "$@"
