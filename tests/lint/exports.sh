#!/bin/sh
# SPDX-FileCopyrightText: 2026 The libwane authors
# SPDX-License-Identifier: MIT
#
# exports.sh MAP LIBRARY HEADER...: what the library exports is what the map lists, and every name
# that a public header marks for export is in the map.
set -eu

map=$1 lib=$2
shift 2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export LC_ALL=C

# Absolute symbols are the names of the version nodes.
nm -D --defined-only "$lib" | awk '$(NF - 1) != "A" { sub(/@.*/, "", $NF); print $NF }' |
    sort -u >"$tmp/exported"

# A macro may give an exported name its version: #define wane__x wane__x_v1.
perl -0777 -ne '
    s{/\*.*?\*/}{}gs; s{//[^\n]*}{}g;
    $renamed{$1} = $2 while /^[ \t]*#[ \t]*define[ \t]+(wane_\w+)[ \t]+(wane_\w+)[ \t]*$/gm;
    s/^[ \t]*#(?:[^\n]*\\\n)*[^\n]*$//gm;
    1 while s/__attribute__\s*(\((?:[^()]++|(?1))*\))//;
    while (/\bWANE_(?:API|INLINE)\b([^;{]*)/g) {
        my $text = $1;
        push @names, $1
            if $text =~ /\b(wane_\w+)\s*\(/ || $text =~ /\b(wane_\w+)\s*(?:\[.*)?$/s;
    }
    END { print(($renamed{$_} // $_) . "\n") for @names }
' "$@" | sort -u >"$tmp/declared"
if ! [ -s "$tmp/declared" ]; then
    echo 'no WANE_API name found in the headers'
    exit 1
fi

# only_in A B MESSAGE: lines of A that B lacks are an error.
only_in() {
    comm -23 "$1" "$2" >"$tmp/extra"
    [ -s "$tmp/extra" ] || return 0
    sed "s|^|$3: |" "$tmp/extra"
    return 1
}

# check MAP
check() {
    perl -0777 -ne '
        s{/\*.*?\*/}{}gs;
        die "a wildcard exports names that nobody listed\n"
            if /global:[^}]*?[*?][^}]*?local:/s;
        s/local:.*?\}/}/gs;
        print "$1\n" while /\b(\w+)\s*;/g;
    ' "$1" >"$tmp/listed" || return 1
    sort -u "$tmp/listed" >"$tmp/map"
    bad=0
    only_in "$tmp/map" "$tmp/exported" 'in the map, not exported' || bad=1
    only_in "$tmp/exported" "$tmp/map" 'exported, not in the map' || bad=1
    only_in "$tmp/declared" "$tmp/map" 'declared for export, not in the map' || bad=1
    return $bad
}

# refuse SED: the map after an edit that must be noticed.
refuse() {
    sed "$1" "$map" >"$tmp/planted.map"
    if check "$tmp/planted.map" >"$tmp/out" 2>&1; then
        echo "self-test: not refused: $1"
        exit 1
    fi
}
refuse 's/^global:/global: wane__planted;/'
refuse '0,/^ *wane_[a-z]/{//d}'
refuse 's/^global:/global: wane_*;/'

check "$map"
echo "$(wc -l <"$tmp/map") names"
