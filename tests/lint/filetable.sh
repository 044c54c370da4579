#!/bin/sh
# SPDX-FileCopyrightText: 2026 The libwane authors
# SPDX-License-Identifier: MIT
#
# filetable.sh ROOT: the table under "## Files" in docs/architecture.md names each file of lib/ once, in
# its first column, and no other. The folders' meson.build files are left out.
set -eu

root=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export LC_ALL=C

# check TREE: prints each difference; fails when there is one.
check() {
    (cd "$1" && find lib -type f ! -name meson.build) | sort >"$tmp/present"
    awk '
        /^#/ { inside = /^## Files$/ }
        inside && /^\|/ {
            split($0, cell, "|")
            rest = cell[2]
            while (match(rest, /`lib\/[^`]*`/)) {
                print substr(rest, RSTART + 1, RLENGTH - 2)
                rest = substr(rest, RSTART + RLENGTH)
            }
        }
    ' "$1/docs/architecture.md" | sort >"$tmp/named"
    [ -s "$tmp/named" ] || { echo 'docs/architecture.md has no table of files'; return 1; }
    cmp -s "$tmp/present" "$tmp/named" && return 0
    uniq -d "$tmp/named" | sed 's/^/twice in the table: /'
    comm -23 "$tmp/present" "$tmp/named" | sed 's/^/not in the table: /'
    comm -13 "$tmp/present" "$tmp/named" | sed 's/^/in the table, not there: /'
    return 1
}

# refuse TABLE: in a tree with two sources.
tree=$tmp/tree
mkdir -p "$tree/lib/base" "$tree/docs"
touch "$tree/lib/base/a.c" "$tree/lib/base/a.h" "$tree/lib/base/meson.build"
refuse() {
    printf '%s\n' "$1" >"$tree/docs/architecture.md"
    if check "$tree" >"$tmp/out"; then
        echo "self-test: not refused: $1"
        exit 1
    fi
}
refuse '## Files
| `lib/base/a.c` | with `lib/base/a.h` |'
refuse '## Files
| `lib/base/a.c`, `lib/base/a.h`, `lib/base/b.h` | x |'
refuse '## Files
| `lib/base/a.c`, `lib/base/a.h` | x |
| `lib/base/a.h` | x |'
refuse '## Others
| `lib/base/a.c`, `lib/base/a.h` | x |'
printf '## Files\n| `lib/base/a.c`, `lib/base/a.h` | x |\n## Next\n| `lib/x` | x |\n' \
    >"$tree/docs/architecture.md"
check "$tree" || { echo 'self-test: a good table is refused'; exit 1; }

check "$root"
echo "$(wc -l <"$tmp/named") files"
