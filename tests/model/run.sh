#!/bin/sh
# SPDX-FileCopyrightText: 2026 The libwane authors
# SPDX-License-Identifier: MIT
#
# run.sh MODEL: checks MODEL.pml in each way that `cases` lists for it. Where the list says `holds`
# the whole state space is searched and no error may be found; where it says `fails` a switch breaks
# the protocol on purpose and spin must find it, which shows that the check has power.
# Ways marked `full` are for WANE_MODEL_FULL=1: they take minutes or gigabytes.
set -eu

model=$1
folder=$(cd "$(dirname "$0")" && pwd)
if ! command -v spin >/dev/null; then
    echo 'skip: no spin'
    exit 77
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"

# Most searches are over before a compiler has optimized anything.
case $model${WANE_MODEL_FULL:-0} in
    cycle* | epochs* | idle* | rim* | wave* | *1) level=-O2 ;;
    *) level=-O0 ;;
esac

# search FLAG...: leaves pan's report in the file report; fails when it is no verdict.
search() {
    spin -a "$@" "$folder/$model.pml" >report 2>&1 || return 1
    ${CC:-cc} $level -w -DSAFETY -DCOLLAPSE -o pan pan.c >>report 2>&1 || return 1
    ./pan -m200000 >report 2>&1 || return 1
    grep -q 'errors: ' report
}

# verdict: holds, fails, or unclear when the search did not get to the end.
verdict() {
    if grep -q 'errors: 0$' report; then
        if grep -qE 'Search not completed|max search depth too small|out of memory' report; then
            echo unclear
        else
            echo holds
        fi
    elif grep -qE '^pan.*(assertion violated|invalid end state)' report; then
        echo fails
    else
        echo unclear
    fi
}

status=0 ran=0
while read -r name size want flags; do
    [ "$name" = "$model" ] || continue
    if [ "$size" = full ] && [ "${WANE_MODEL_FULL:-0}" != 1 ]; then
        continue
    fi
    # The flags are words.
    # shellcheck disable=SC2086
    if search $flags; then
        got=$(verdict)
    else
        got=unclear
    fi
    states=$(awk '/states, stored/ { print $1 }' report)
    echo "$model $flags: $got (${states:-0} states)"
    ran=$((ran + 1))
    if [ "$got" != "$want" ]; then
        echo "  but this $want:" && cat report
        status=1
    fi
done <"$folder/cases"

if [ $ran = 0 ]; then
    echo "no case for $model"
    exit 1
fi
exit $status
