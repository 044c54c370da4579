#!/bin/sh
# SPDX-FileCopyrightText: 2026 The libwane authors
# SPDX-License-Identifier: MIT
#
# Counts the system calls by which the mutators of a program wait, or wake others: futex, nanosleep, poll and
# the like, between the moment where a thread calls itself "mutator" and where it calls itself "mutator-done".
#     nowait.sh [--stacks] [--tries N] PROGRAM [ARGUMENT...]
# Prints both numbers for each mutator, and the calls of the collector thread, and fails when a mutator waited.
# A wake is no wait: a thread that brings work rings for the collector thread if that sleeps.
# --stacks: also each call, and where it was made. --tries N: good if one of N runs is: where more threads than
# processors run, one that holds the lock of the heap's pages for a moment may lose its processor in it.
# Without strace, or where it may not trace, it is a skip (77).
set -u

stacks=0 tries=1
while :; do
    case ${1:-} in
    --stacks) stacks=1 ;;
    --tries) tries=$2 && shift ;;
    *) break ;;
    esac
    shift
done

if ! command -v strace >/dev/null; then
    echo "skipped: no strace (Debian's package strace)"
    exit 77
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if ! strace -f --seccomp-bpf -o "$tmp/probe" -e trace=futex true 2>"$tmp/why"; then
    echo "skipped: strace does not work here: $(tail -n 1 "$tmp/why")"
    exit 77
fi

# With the filter in the kernel no other call is stopped, or the mutators would wait for strace.
trace() {
    if [ $stacks = 1 ]; then
        set -- -k "$@"
    fi
    strace -f --seccomp-bpf -qq -o "$tmp/trace" \
        -e trace=futex,nanosleep,clock_nanosleep,poll,ppoll,select,pselect6,epoll_wait,sched_yield,prctl "$@"
}

report() {
    awk -v stacks=$stacks '
        function show() {
            showing = at_it[thread] && stacks
            if (showing) print
        }
        /^[0-9]/ { thread = $1; showing = 0 }
        / prctl\(PR_SET_NAME, "mutator"/ { at_it[thread] = 1; waits[thread] = wakes[thread] = 0; next }
        / prctl\(PR_SET_NAME, "mutator-done"/ { at_it[thread] = 0; next }
        / prctl\(PR_SET_NAME, "wane-gc"/ { library = thread; next }
        # The second half of a call that was printed in two; its stack stands below.
        /^[0-9]+ +<\.\.\. [a-z_0-9]+ resumed>/ && !/ prctl / { show(); next }
        /^[0-9]+ +[a-z_0-9]+\(/ && !/ prctl\(/ {
            own += thread == library
            if (at_it[thread]) {
                if (/FUTEX_WAKE/) wakes[thread]++
                else waits[thread]++
            }
            show()
            next
        }
        /^ / && showing { print }
        END {
            for (t in waits) {
                n++
                all_waits += waits[t]
                all_wakes += wakes[t]
                print "mutator " t ": " waits[t] " waits, " wakes[t] " wakes"
            }
            print "the library: " own + 0 " calls by its own thread"
            print n + 0 " mutators: " all_waits + 0 " waits, " all_wakes + 0 " wakes"
            if (n == 0 || own == 0) print "the trace does not show the mutators and the collector thread"
            exit n == 0 || own == 0 || all_waits > 0
        }
    ' "$tmp/trace"
}

while [ "$tries" -gt 0 ]; do
    tries=$((tries - 1))
    trace "$@" && report && exit 0
done
exit 1
