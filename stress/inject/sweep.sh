#!/bin/sh
# SPDX-FileCopyrightText: 2026 The libwane authors
# SPDX-License-Identifier: MIT
#
# Runs programs again and again with faults planted into what the library asks of the system:
#     sweep.sh [-t SECONDS] [-s SEED] INJECTOR PROGRAM[:KINDS[:OPTIONS]]...
# Which program, which call is the first to fail, how many, and of which kind follows from the seed, which
# is printed and taken back from WANE_TEST_SEED too; see inject.c for the kinds. After them `-` says that
# the program's threads attach by themselves, `+` that they do so, that it handles the errors, and says
# when memory is there again (inject.h): it can be out for ever until then. What must come of it:
# the program ends as if nothing had failed. The one exception is the line by which a call that cannot
# report ends a program, when its thread finds no memory for its record.
# A program that does not end is killed, after the stacks of its threads were printed, where gdb is there.
set -u

seconds=40
seed=${WANE_TEST_SEED:-$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')}
while getopts t:s: option; do
    case $option in
    t) seconds=$OPTARG ;;
    s) seed=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
# The long form is for what nobody has seen yet.
[ "${WANE_STRESS_SCALE:-1}" = 1 ] || seed=$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')
[ $# -ge 2 ] || exit 2
injector=$1
shift
seconds=$((seconds * ${WANE_STRESS_SCALE:-1}))
limit=90 # of one run

dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
echo "seed $seed"

# Numbers 0 .. $1 - 1 from the seed: the upper bits of a linear congruence.
state=$seed
below() {
    state=$(((state * 1103515245 + 12345) % 2147483648))
    picked=$((state / 65536 % $1))
}

# run VARIABLE=VALUE... PROGRAM: into $dir/out, with a limit; sets status.
run() {
    (exec setsid env LD_PRELOAD="$injector" "$@" >"$dir/out" 2>&1) &
    pid=$!
    waited=0
    while kill -0 "$pid" 2>/dev/null; do
        if [ "$waited" -ge $((limit * 20)) ]; then
            show_stacks "$pid"
            kill -9 -"$pid" 2>/dev/null
            wait "$pid"
            status=hangs
            return
        fi
        sleep 0.05
        waited=$((waited + 1))
    done
    wait "$pid"
    status=$?
}

show_stacks() {
    command -v gdb >/dev/null || return
    for p in $(ps -e -o pid= -o sid= | awk -v s="$1" '$2 == s { print $1 }'); do
        gdb -q -batch -p "$p" -ex 'thread apply all bt' 2>/dev/null | grep -E '^(#|Thread)'
    done
}

# How many calls there are to fail in a program that nothing is planted into: the most of its processes.
count_calls() {
    file=$dir/calls-$(basename "$program")-$kinds
    export WANE_TEST_SEED=$seed
    if [ ! -e "$file" ]; then
        rm -f "$dir/report"
        run INJECT_FIRST=0 INJECT_KINDS="$kinds" INJECT_ATTACH="$attach" INJECT_REPORT="$dir/report" "$program" $options
        if [ "$status" != 0 ] && [ "$status" != 77 ]; then
            cat "$dir/out"
            echo "$program: status $status without faults"
            exit 1
        fi
        sort -n "$dir/report" 2>/dev/null | tail -n 1 | cut -d' ' -f1 >"$file"
    fi
    calls=$(cat "$file")
}

# How many fail, and until when. Each ends by itself, since a program may wait for what the library then does, unless it says
# when it does so.
choose_plan() {
    if below 2; [ "$picked" = 0 ] && [ "$calls" -gt 40 ]; then
        below "$calls"
    else # those by which a program begins
        below $((calls < 40 ? calls : 40))
    fi
    plan="INJECT_FIRST=$((picked + 1))"
    below 5
    case $picked in
    0) plan="$plan INJECT_COUNT=1" ;;
    1) below 9 && plan="$plan INJECT_COUNT=$((picked + 2))" ;;
    2) plan="$plan INJECT_COUNT=0" ;;
    3) below 11 && plan="$plan INJECT_UNTIL=$((256 << picked))" ;;
    4) below 4 && plan="$plan INJECT_RATE=$((10 + picked * picked * 75)) INJECT_SEED=$state" ;;
    esac
    if [ $tells = 1 ]; then
        plan="$plan INJECT_ERRORS=1"
    else
        below 3 && plan="$plan INJECT_MS=$((5 + picked * picked * 75))"
    fi
    plan="$plan INJECT_KINDS=$kinds INJECT_ATTACH=$attach WANE_TEST_SEED=$state"
}

end=$(($(date +%s) + seconds))
runs=0 refused=0
while [ "$(date +%s)" -lt "$end" ] || [ "$runs" -eq 0 ]; do
    below $#
    eval "entry=\${$((picked + 1))}"
    program=${entry%%:*}
    options=${entry#"$program"}
    options=${options#:}
    kinds=${options%%:*}
    options=${options#"$kinds"}
    options=${options#:}
    attach=1 tells=0
    case $kinds in *-) kinds=${kinds%-} attach=0 ;; esac
    case $kinds in *+) kinds=${kinds%+} attach=0 tells=1 ;; esac
    [ -n "$kinds" ] || kinds=mpuke
    count_calls
    [ "${calls:-0}" -gt 0 ] || continue
    choose_plan
    # The plan is words, and so are the options.
    # shellcheck disable=SC2086
    run $plan "$program" $options
    runs=$((runs + 1))
    if [ "$status" = 0 ] || [ "$status" = 77 ]; then
        continue
    fi
    if grep -q 'this thread cannot be attached: out of memory' "$dir/out"; then
        refused=$((refused + 1))
        continue
    fi
    cat "$dir/out"
    echo "status $status: LD_PRELOAD=$injector $plan $program $options"
    exit 1
done
echo "$runs runs; $refused ended by a thread that could not be attached"
