#!/bin/sh
# SPDX-FileCopyrightText: 2026 The libwane authors
# SPDX-License-Identifier: MIT
#
# files.sh ROOT: every C file begins with its two licence lines; no function is longer than 60 lines
# and, in lib/ and include/, no file longer than 600.
#
# A function is what stands between a line that ends in `{` and the next line that begins with `}`,
# both at column 0: the code is formatted with .clang-format. Long tables and types are no functions,
# so only a line that has a `)` or is a lone `{` begins one.
set -eu

root=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

check() {
    (cd "$1" && find . -type d \( -name '.git' -o -name 'build*' \) -prune -o \
        -type f \( -name '*.c' -o -name '*.h' -o -name '*.cc' \) -print) |
        sed 's|^\./||' | LC_ALL=C sort >"$tmp/files"
    [ -s "$tmp/files" ] || { echo "no C files in $1"; return 1; }
    (cd "$1" && tr '\n' '\0' <"$tmp/files" | xargs -0 awk '
        function complain(line, why) {
            print FILENAME ":" line ": " why
            bad = 1
        }
        function end_of_file() {
            if (lines > 600 && (name ~ /^lib\// || name ~ /^include\//)) {
                print name ": " lines " lines, at most 600"
                bad = 1
            }
        }
        FNR == 1 {
            end_of_file()
            name = FILENAME
            start = 0
            if ($0 !~ /^(\/\/|\/\*) SPDX-FileCopyrightText: 2026 The libwane authors( \*\/)?$/)
                complain(1, "no SPDX-FileCopyrightText line")
        }
        FNR == 2 && !/^(\/\/|\/\*) SPDX-License-Identifier: MIT( \*\/)?$/ {
            complain(2, "no SPDX-License-Identifier line")
        }
        { lines = FNR }
        /^[^ \t#}].*\).*\{$/ || /^[ \t]+[^ \t].*\)[ \t]*\{$/ && pending || /^\{$/ {
            if (!start) start = FNR
        }
        # The head of a function may go on for some lines; those after the first are indented.
        /^[A-Za-z_].*[(,]/ && !/[;{}]$/ { pending = 1 }
        /[;{}]$/ { pending = 0 }
        /^\}/ {
            if (start && FNR - start + 1 > 60)
                complain(start, "function of " FNR - start + 1 " lines, at most 60")
            start = 0
        }
        END {
            end_of_file()
            exit bad
        }
    ')
}

# Self-test: each plant must be refused, a good file must not.
tree=$tmp/tree
spdx='// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT'
body() { awk -v n="$1" 'BEGIN { while (n-- > 0) print "    f();" }'; }

# refuse TEXT: TEXT, from stdin, as lib/base/planted.c.
refuse() {
    mkdir -p "$tree/lib/base"
    cat >"$tree/lib/base/planted.c"
    if check "$tree" >"$tmp/out"; then
        echo "self-test: not refused: $1"
        exit 1
    fi
}
echo 'int x;' | refuse 'no licence lines'
{ echo "$spdx"; echo 'int f(void) {'; body 59; echo '}'; } | refuse 'long function'
{ echo "$spdx"; echo 'int f(int a,'; echo '      int b) {'; body 59; echo '}'; } |
    refuse 'long function with a long head'
{ echo "$spdx"; echo 'int f(void)'; echo '{'; body 59; echo '}'; } | refuse 'brace on its own line'
{ echo "$spdx"; body 600; } | refuse 'long file'
{ echo "$spdx"; echo 'struct t x[] = {'; body 100; echo '};'; echo 'int f(void) {'; body 58
    echo '}'; } >"$tree/lib/base/planted.c"
check "$tree" || { echo 'self-test: a good file is refused'; exit 1; }

check "$root"
echo "$(wc -l <"$tmp/files") files"
