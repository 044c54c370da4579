#!/bin/sh
# SPDX-FileCopyrightText: 2026 The libwane authors
# SPDX-License-Identifier: MIT
#
# reference.sh BUILT SCRIPT VERSION HEADER MAP...: every name in a MAP has a manual page in BUILT that says what it does
# and what it looks like; each page is good input for man(1); wane(7), or the like, names them all. Doxygen, where it was there, gave no
# warning, and its index names them too. HEADER serves the self-test.
set -eu

built=$(realpath "$1") script=$2 version=$3 header=$4
shift 4
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export LC_ALL=C

perl -0777 -ne 's{/\*.*?\*/}{}gs; print "$1\n" while /\b(wane_(?!_)\w+)\s*;/g' "$@" >"$tmp/calls"
[ -s "$tmp/calls" ] || { echo 'no call in the map'; exit 1; }

# check MAN3 MAN7: prints what is missing.
check() {
    bad=0
    while read -r call; do
        page=$1/$call.3
        [ -s "$page" ] || { echo "no page: $call(3)"; bad=1; continue; }
        other=$(sed -n '1s/^\.so man3\///p' "$page")
        [ -z "$other" ] || page=$1/$other
        for part in "SH NAME" "SH SYNOPSIS" "SH DESCRIPTION"; do
            grep -q "^\.$part" "$page" || { echo "$call(3): no $part"; bad=1; }
        done
        sed -n '/^\.SH NAME/{n;p;}' "$page" | grep -qE "\<$call\>.* .- ..+" || { echo "$call(3): not in its NAME"; bad=1; }
        sed -n '/^\.SH SYNOPSIS/,/^\.SH DESC/p' "$page" | grep -qE "\<$call[(;]" || { echo "$call(3): no prototype"; bad=1; }
        grep -qF "fB$call\\fR(3)" "$2"/*.7 || { echo "$call(3): on no page of section 7"; bad=1; }
    done <"$tmp/calls"
    return $bad
}

# A header whose functions lost their comments.
mkdir -p "$tmp/include/wane"
cp "$header" "$tmp/include/"
include=$(dirname "$header")
for h in "$include"/wane/*.h; do
    sed 's/^WANE_API size_t wane_trim/\n&/' "$h" >"$tmp/include/wane/$(basename "$h")"
done
python3 "$script" man "$version" "$tmp" "$tmp/include/wane.h" "$tmp"/include/wane/*.h
if check "$tmp/man3" "$tmp/man7" >"$tmp/out" || ! grep -q 'no page: wane_trim(3)' "$tmp/out"; then
    echo 'self-test: a call without a comment is not noticed'
    exit 1
fi

check "$built/man3" "$built/man7"
if command -v groff >/dev/null; then
    (cd "$built" && groff -man -Tutf8 -ww -z man3/*.3 man7/*.7) 2>"$tmp/out" || true
    [ ! -s "$tmp/out" ] || { cat "$tmp/out"; exit 1; }
fi
if [ -e "$built/html" ]; then
    [ ! -s "$built/warnings.txt" ] || { cat "$built/warnings.txt"; exit 1; }
    while read -r call; do
        grep -qE "$call(\(\))?[^_a-z]" "$built"/html/globals_func*.html "$built"/html/globals_vars*.html || { echo "not in the index: $call"; exit 1; }
    done <"$tmp/calls"
fi
echo "$(wc -l <"$tmp/calls") calls"
