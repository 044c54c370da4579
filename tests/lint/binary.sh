#!/bin/sh
# SPDX-FileCopyrightText: 2026 The libwane authors
# SPDX-License-Identifier: MIT
#
# binary.sh LIBRARY: what the built library promises to the loader.
# It is never unloaded (threads run its exit code), and its thread-local storage is at most 64 bytes
# of the static kind, because the loader keeps little of that for libraries opened later. It imports no function
# that is a cancellation point: a cancelled thread would leave a call in the middle of what it does. It needs libc alone.
set -eu

lib=$1
readelf -dW "$lib" | grep -q NODELETE || { echo 'not linked with -z nodelete'; exit 1; }
readelf -dW "$lib" | grep -q 'soname: \[libwane\.so\.0\]' || { echo 'wrong soname'; exit 1; }

# Of an older libc threads are a part of their own.
needed=$(readelf -dW "$lib" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
[ -n "$needed" ] || { echo 'no needed library found'; exit 1; }
if echo "$needed" | grep -vE '^(libc|libpthread|ld-linux[-a-z0-9_]*)\.so\.'; then
    echo 'these are needed beside libc'
    exit 1
fi

size=$(readelf -lW "$lib" | awk '$1 == "TLS" { print $6 }')
if [ -n "$size" ] && [ $((size)) -gt 64 ]; then
    echo "$((size)) bytes of thread-local storage, at most 64 are allowed"
    exit 1
fi
if readelf -rW "$lib" | grep -qE 'DTPMOD|TLSDESC'; then
    echo 'thread-local storage is not of the initial-exec model:'
    readelf -rW "$lib" | grep -E 'DTPMOD|TLSDESC'
    exit 1
fi

# POSIX's list, as far as a library like this one could come to use it.
points='accept|close|connect|creat|f?datasync|fsync|fcntl(64)?|lockf(64)?|nanosleep|clock_nanosleep|sleep|usleep|pause
    |open(at)?(64)?|fopen(64)?|fclose|fflush|f?puts|fputc|putchar|v?d?f?printf|perror|fwrite|fread|fgets|getline|getdelim
    |p?poll|p?select|epoll_p?wait|p?(read|write)v?(64)?|recv(from|msg)?|send(to|msg)?|pthread_(cond_(timed|clock)?wait|join
    |testcancel|rwlock_(timed)?(rd|wr)lock)|sem_(timed|clock)?wait|sig(timed)?wait(info)?|sigsuspend|syslog|system|wait
    |wait(id|pid|3|4)|msync|tcdrain|readdir(64)?|opendir|mq_(timed)?(send|receive)|dlopen|dlclose|gai_suspend'
points=$(echo "$points" | tr -d ' \n')
echo 'U nanosleep@GLIBC_2.2.5' | grep -qE " ($points)(@|\$)" || { echo 'self-test: nanosleep is not found'; exit 1; }
if nm -D --undefined-only "$lib" | grep -E " ($points)(@|\$)"; then
    echo 'these are cancellation points'
    exit 1
fi
