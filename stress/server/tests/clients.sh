#!/bin/sh
# SPDX-FileCopyrightText: 2026 The libwane authors
# SPDX-License-Identifier: MIT
#
# clients.sh SERVER: redis-cli and redis-benchmark, from Debian's package of client tools, go through
# to their end without a warning or an error.
set -eu

server=$1
for tool in redis-cli redis-benchmark; do
    command -v $tool >/dev/null || { echo "skip: no $tool"; exit 77; }
done
tmp=$(mktemp -d)
pid=
finish() {
    [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
    rm -rf "$tmp"
}
trap finish EXIT

"$server" --port 0 --threads 2 --strict >"$tmp/said" &
pid=$!
tries=0
until port=$(sed -n 's/^listening on 127.0.0.1:\([0-9]*\)$/\1/p' "$tmp/said") && [ -n "$port" ]; do
    tries=$((tries + 1))
    [ $tries -lt 200 ] || { echo 'the server does not start'; exit 1; }
    sleep 0.05
done
cli() { redis-cli -p "$port" "$@"; }

# want TEXT COMMAND...
want() {
    text=$1
    shift
    got=$(cli "$@")
    [ "$got" = "$text" ] || { echo "redis-cli $*: got $got, want $text"; exit 1; }
}
want OK set greeting 'hello there'
want 'hello there' get greeting
want 3 rpush list a b c
want 'a
b
c' lrange list 0 -1
want 1 hset hash field value
want 'field
value' hgetall hash
want string type greeting
want 3 del greeting list hash
# From a pipe, with a binary value.
printf 'a\000b\r\n' | cli -x set binary >/dev/null
want 5 strlen binary
want 1 del binary
cli info | grep -q '^backend:'
# redis-cli asks for COMMAND DOCS when it is used at a terminal, and sends many commands at once here.
i=0
while [ $i -lt 1000 ]; do
    printf 'SET key%d %d\r\n' $i $i
    i=$((i + 1))
done | cli --pipe >"$tmp/pipe"
grep -q 'errors: 0, replies: 1000' "$tmp/pipe" || { cat "$tmp/pipe"; exit 1; }
want 1000 dbsize

count=${WANE_BENCH_REQUESTS:-3000}
redis-benchmark -p "$port" -n "$count" -c 50 -q >"$tmp/plain" 2>&1
redis-benchmark -p "$port" -n "$count" -c 20 -P 16 -r 10000 -q >"$tmp/pipelined" 2>&1
for f in plain pipelined; do
    if grep -aiE 'warn|error|fail' "$tmp/$f"; then
        exit 1
    fi
    [ "$(tr '\r' '\n' <"$tmp/$f" | grep -ac 'requests per second')" -ge 20 ] || { cat "$tmp/$f"; exit 1; }
done

kill -TERM "$pid"
wait "$pid" || { cat "$tmp/said"; pid=; exit 1; }
pid=
tail -n 1 "$tmp/said"
