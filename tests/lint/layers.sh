#!/bin/sh
# SPDX-FileCopyrightText: 2026 The libwane authors
# SPDX-License-Identifier: MIT
#
# layers.sh ROOT ARCHIVE: no file of lib/ includes a header of a folder above its own, and no object in
# ARCHIVE, which has all of them, uses a symbol that a folder above its own defines.
#
# An include goes down the list or stays in its folder. Folders of equal height do not include each
# other either, so that each can be understood, and left out, alone. value is a library of its own, which
# uses the public header alone. A declaration lower down, of what is defined further up, would pass as an include:
# hence the symbols.
set -eu

root=$1 archive=$2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# One list for both, in awk.
ranks='rank["base"] = 0; rank["os"] = 1; rank["heap"] = 2; rank["thread"] = 3
    rank["count"] = 4; rank["life"] = 5
    rank["cycle"] = 6; rank["value"] = 6; rank["trace"] = 7
    rank["api"] = 8'

# The only name that is called upwards, once for each process: a pointer to it would have to be set by a
# constructor, in an object that a static link need not have.
upwards='wane__start'

# check_symbols NM: the same for what `nm -A -P -g` printed; an object is called FOLDER_NAME.c.o.
check_symbols() {
    awk -v upwards="$upwards" '
        BEGIN { '"$ranks"' }
        {
            object = $1
            sub(/\]?:$/, "", object)
            sub(/^.*[\/\[]/, "", object)
            folder = object
            sub(/_.*/, "", folder)
            if (!(folder in rank)) {
                print object ": its folder has no place in the list of layers"
                bad = 1
            } else if ($3 == "U") {
                uses[++n] = $2; user[n] = object; from[n] = folder
            } else if ($3 ~ /^[A-TV-Z]$/) {
                definer[$2] = object; home[$2] = folder; defined++
            }
        }
        END {
            for (i = 1; i <= n; i++) {
                s = uses[i]
                if (!(s in home) || home[s] == from[i] || rank[home[s]] < rank[from[i]] || s == upwards) continue
                print user[i] ": uses " s " of " definer[s] ", which is above"
                bad = 1
            }
            if (!defined) { print "no symbols"; bad = 1 }
            exit bad
        }
    ' "$1"
}

# check TREE: prints each violation; fails when there is one.
check() {
    find "$1/lib" -type f \( -name '*.c' -o -name '*.h' \) | LC_ALL=C sort >"$tmp/files"
    [ -s "$tmp/files" ] || { echo "no files in $1/lib"; return 1; }
    tr '\n' '\0' <"$tmp/files" | xargs -0 awk -v lib="$1/lib/" '
        BEGIN { '"$ranks"' }
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
            else if (own == "value" && folder != own)
                complain("include \"" name "\": value uses the public header alone")
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
plant value '#include "base/x.h"'
plant os '#include "../api/x.h"'
plant thread '#include "x.h"'
plant elsewhere '#include <stdio.h>'
echo '#include "base/x.h"' >"$tmp/tree/lib/base/x.c"
rm -rf "$tmp/tree/lib/elsewhere"
mkdir -p "$tmp/tree/lib/api"
echo '#include "cycle/x.h"' >"$tmp/tree/lib/api/fine.c"
check "$tmp/tree" || { echo 'self-test: a good tree is refused'; exit 1; }

# symbols LINE...: the good lines and these.
symbols() {
    printf '%s\n' 'l.a[x/l.a.p/base_check.c.o]: wane__log T 0 1' 'l.a[x/l.a.p/life_type.c.o]: wane__log U' \
        'l.a[x/l.a.p/life_type.c.o]: wane__name T 0 1' 'l.a[x/l.a.p/thread_record.c.o]: wane__start U' \
        'l.a[x/l.a.p/api_start.c.o]: wane__start T 0 1' 'l.a[x/l.a.p/base_check.c.o]: abort U' "$@" >"$tmp/nm"
}
symbols
check_symbols "$tmp/nm" || { echo 'self-test: good symbols are refused'; exit 1; }
for planted in 'l.a[x/l.a.p/count_take.c.o]: wane__name U' 'l.a[x/l.a.p/odd_take.c.o]: abort U' \
    'count_take.c.o: wane__name U'; do
    symbols "$planted"
    if check_symbols "$tmp/nm" >"$tmp/out"; then
        echo "self-test: not refused: $planted"
        exit 1
    fi
done

check "$root"
nm -A -P -g "$archive" >"$tmp/nm"
check_symbols "$tmp/nm"
echo "$(wc -l <"$tmp/files") files in their layers"
