#!/bin/sh
# SPDX-FileCopyrightText: 2026 The libwane authors
# SPDX-License-Identifier: MIT
#
# orders.sh ROOT: each tag [order:x] of the sources has a section in docs/memory-orders.md, that section
# names just the files where the tag stands, and no tag stands alone: it names a pair.
set -eu

root=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export LC_ALL=C

# check TREE: prints each difference; fails when there is one.
check() {
    bad=0
    (cd "$1" && grep -roE '\[order:[a-z-]+\]' lib include) | sort >"$tmp/lines"
    [ -s "$tmp/lines" ] || { echo "no tag in $1"; return 1; }
    sed -E 's/^([^:]*):\[order:(.*)\]$/\2 \1/' "$tmp/lines" | sort -u >"$tmp/sources"
    sed -E 's/.*\[order:(.*)\]$/\1/' "$tmp/lines" | sort | uniq -c |
        awk '$1 < 2 { print $2 ": stands at one line only"; bad = 1 } END { exit bad }' || bad=1

    # A section begins with a heading that has the tag; the paths in it stand between backticks.
    awk '
        /^#/ { tag = match($0, /\[order:[a-z-]+\]/) ? substr($0, RSTART + 7, RLENGTH - 8) : "" }
        tag != "" {
            rest = $0
            while (match(rest, /`(lib|include)\/[^`]*`/)) {
                print tag, substr(rest, RSTART + 1, RLENGTH - 2)
                rest = substr(rest, RSTART + RLENGTH)
            }
        }
    ' "$1/docs/memory-orders.md" | sort -u >"$tmp/explained"
    comm -23 "$tmp/sources" "$tmp/explained" >"$tmp/missing"
    comm -13 "$tmp/sources" "$tmp/explained" >"$tmp/stale"
    sed 's/^/docs\/memory-orders.md lacks: /' "$tmp/missing"
    sed 's/^/docs\/memory-orders.md names, the sources lack: /' "$tmp/stale"
    [ $bad = 0 ] && ! [ -s "$tmp/missing" ] && ! [ -s "$tmp/stale" ]
}

# plant SOURCE TEXT: a tree whose second source and document are these.
tree=$tmp/tree
plant() {
    mkdir -p "$tree/lib/base" "$tree/include" "$tree/docs"
    echo 'store(); /* [order:a] */' >"$tree/lib/base/one.c"
    printf '%s\n' "$1" >"$tree/lib/base/two.c"
    printf '%s\n' "$2" >"$tree/docs/memory-orders.md"
}
refuse() {
    plant "$1" "$2"
    if check "$tree" >"$tmp/out"; then
        echo "self-test: not refused: $1 / $2"
        exit 1
    fi
}
good='## [order:a]
`lib/base/one.c` with `lib/base/two.c`'
plant '[order:a]' "$good"
check "$tree" || { echo 'self-test: a good tree is refused'; exit 1; }
refuse 'load();' '## [order:a]
`lib/base/one.c`'
refuse '[order:a] [order:b] [order:b]' "$good"
refuse '[order:a]' "$good, \`lib/base/gone.c\`"
refuse '[order:a]' '## [order:a]
`lib/base/one.c`
## next
`lib/base/two.c`'
refuse '[order:a]' "$good
## [order:c]
\`lib/base/one.c\`"

check "$root"
echo "$(cut -d ' ' -f 1 "$tmp/sources" | uniq | wc -l) tags at $(wc -l <"$tmp/lines") lines"
