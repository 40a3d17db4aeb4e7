#!/usr/bin/env bash
# A newcomer's first minutes: `make run`, the call it prints, the call of the README, a second start that reuses all.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export CREATEVOUCHERS_PORT=$port CREATEVOUCHERS_DATA_DIR=$work/data
server=

stop() {
  [ -z "$server" ] || { kill -TERM -- "-$server" 2>/dev/null && wait "$server" 2>/dev/null; } || true
  server=
}
trap 'stop; rm -rf "$work"' EXIT

start() {
  set -m # a process group of its own, to be stopped as a whole
  make run >"$work/out" 2>"$work/err" </dev/null &
  server=$!
  set +m
  for _ in $(seq 600); do
    if curl -sf --cacert "$work/data/self-signed.crt" "https://localhost:$port/createvouchers?wsdl" >"$work/wsdl" 2>/dev/null; then
      return
    fi
    kill -0 "$server" 2>/dev/null || break
    sleep 0.2
  done
  echo "make run did not come up:" && cat "$work/out" "$work/err" && exit 1
}

two_vouchers() {
  local count
  count=$(grep -o '<VoucherNumber>' "$1" | wc -l)
  [ "$count" = 2 ] || { echo "$2: $count vouchers instead of 2:" && cat "$1" && exit 1; }
}

start
grep -q "https://localhost:$port/createvouchers?wsdl" "$work/out"
sed -n '/^curl /,/createvouchers$/p' "$work/out" >"$work/printed.sh"
bash "$work/printed.sh" >"$work/answer" 2>/dev/null
two_vouchers "$work/answer" "the call that make run prints"

sed -n '/^curl --cacert/,/^XML$/p' README.md | sed "s#data/#$work/data/#; s#:8443/#:$port/#" >"$work/readme.sh"
bash "$work/readme.sh" >"$work/answer" 2>/dev/null
two_vouchers "$work/answer" "the call of the README"
stop

start
bash "$work/printed.sh" >"$work/answer" 2>/dev/null
two_vouchers "$work/answer" "the printed call after a second start"
count=$(.venv/bin/createvouchers charge show TestShop TestCharge --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["vouchers"])')
[ "$count" = 6 ] || { echo "after three calls of two vouchers there are $count"; exit 1; }
stop
echo "make run: first call, README's call and second start are fine"
