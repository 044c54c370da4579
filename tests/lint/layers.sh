#!/bin/sh
# SPDX-FileCopyrightText: 2026 The libwane authors
# SPDX-License-Identifier: MIT
#
# layers.sh ROOT: no file of lib/ includes a header of a folder above its own.
#
# An include goes down the list or stays in its folder. Folders of equal height do not include each
# other either, so that each can be understood, and left out, alone.
set -eu

root=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# check TREE: prints each violation; fails when there is one.
check() {
    find "$1/lib" -type f \( -name '*.c' -o -name '*.h' \) | LC_ALL=C sort >"$tmp/files"
    [ -s "$tmp/files" ] || { echo "no files in $1/lib"; return 1; }
    tr '\n' '\0' <"$tmp/files" | xargs -0 awk -v lib="$1/lib/" '
        BEGIN {
            rank["base"] = 0; rank["os"] = 1; rank["heap"] = 2; rank["thread"] = 3
            rank["count"] = 4; rank["life"] = 5
            rank["cycle"] = 6; rank["value"] = 6; rank["trace"] = 6
            rank["api"] = 7
        }
        function complain(why) {
            print FILENAME ":" FNR ": " why
            bad = 1
        }
        FNR == 1 {
            rest = substr(FILENAME, length(lib) + 1)
            own = index(rest, "/") ? substr(rest, 1, index(rest, "/") - 1) : ""
            if (!(own in rank)) complain("folder \"" own "\" has no place in the list of layers")
        }
        /^[ \t]*#[ \t]*include[ \t]*"/ {
            name = $0
            sub(/^[^"]*"/, "", name)
            sub(/".*/, "", name)
            folder = index(name, "/") ? substr(name, 1, index(name, "/") - 1) : ""
            if (name == "wane.h" || folder == "wane") next
            if (folder == "") complain("include \"" name "\" does not name its folder")
            else if (!(folder in rank)) complain("include \"" name "\": unknown folder")
            else if (own in rank && folder != own && rank[folder] >= rank[own])
                complain("include \"" name "\" goes up from " own)
        }
        END { exit bad }
    '
}

# plant FOLDER LINE: a tree with one file that must be refused.
plant() {
    rm -rf "$tmp/tree"
    mkdir -p "$tmp/tree/lib/base" "$tmp/tree/lib/$1"
    echo '#include "base/x.h"' >"$tmp/tree/lib/base/x.c"
    echo "$2" >"$tmp/tree/lib/$1/planted.c"
    if check "$tmp/tree" >"$tmp/out"; then
        echo "self-test: not refused in lib/$1: $2"
        exit 1
    fi
    grep -q 'planted.c:1:' "$tmp/out"
}

plant base '#include "os/x.h"'
plant heap '#include "thread/x.h"'
plant count ' # include "life/x.h"'
plant cycle '#include "value/x.h"'
plant trace '#include "api/x.h"'
plant os '#include "../api/x.h"'
plant thread '#include "x.h"'
plant elsewhere '#include <stdio.h>'
echo '#include "base/x.h"' >"$tmp/tree/lib/base/x.c"
rm -rf "$tmp/tree/lib/elsewhere"
mkdir -p "$tmp/tree/lib/api"
echo '#include "cycle/x.h"' >"$tmp/tree/lib/api/fine.c"
check "$tmp/tree" || { echo 'self-test: a good tree is refused'; exit 1; }

check "$root"
echo "$(wc -l <"$tmp/files") files in their layers"
