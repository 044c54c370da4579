#!/bin/sh
# SPDX-FileCopyrightText: 2026 The libwane authors
# SPDX-License-Identifier: MIT
#
# soak.sh SERVER LOAD: mixed load for 16 seconds (WANE_STRESS_SCALE times as long: `meson test --setup
# long`, or 225 for an hour) with every reply checked; then a server that is asked to end in the middle
# of its load, which leaves nothing alive; then one that is killed there: the client notices, and
# nothing is left running.
set -eu

server=$1 load=$2
tmp=$(mktemp -d)
pid=
finish() {
    [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
    rm -rf "$tmp"
}
trap finish EXIT
trap 'exit 1' TERM INT

start() {
    : >"$tmp/said"
    "$server" --port 0 --threads 2 >"$tmp/said" &
    pid=$!
    tries=0
    until port=$(sed -n 's/^listening on 127.0.0.1:\([0-9]*\)$/\1/p' "$tmp/said") && [ -n "$port" ]; do
        tries=$((tries + 1))
        [ $tries -lt 400 ] || { echo 'the server does not start'; exit 1; }
        sleep 0.05
    done
}

start
"$load" --port "$port" --seconds $((16 * ${WANE_STRESS_SCALE:-1})) --keys 20000
kill -TERM "$pid"
status=0
wait "$pid" || status=$?
pid=
tail -n 1 "$tmp/said"
[ $status = 0 ] || { echo "the server ended with status $status"; exit 1; }

# under_load SIGNAL: sets `ended`, the server's status, and checks the client's.
under_load() {
    start
    "$load" --port "$port" --seconds 100 --keys 1000 --quiet 2>"$tmp/client" &
    client=$!
    sleep 2
    kill "-$1" "$pid"
    ended=0
    wait "$pid" 2>/dev/null || ended=$?
    pid=
    status=0
    wait "$client" || status=$?
    [ $status = 1 ] || { echo "after SIG$1 of the server the client ended with status $status"; exit 1; }
    echo "after SIG$1 of the server the client said: $(cat "$tmp/client")"
}

under_load TERM
tail -n 1 "$tmp/said"
[ $ended = 0 ] || { echo "the server ended with status $ended after SIGTERM under load"; exit 1; }
under_load KILL
