#!/bin/sh
# SPDX-FileCopyrightText: 2026 The libwane authors
# SPDX-License-Identifier: MIT
#
# quotes.sh ROOT: what README.md, docs/guide.md and the pages of docs/guide/ show is what is compiled and run.
#
# Each block of C or C++ there follows a line that names its example. `<!-- docs/examples/x.c -->`: the
# block stands in that file, line by line. `<!-- docs/examples/x.c, whole -->`: it is the file but for its
# licence lines; README.md has one of these. No example is left unmentioned.
set -eu

root=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# check TREE: prints each difference; fails when there is one.
check() {
    (cd "$1" && perl -e '
        use strict;
        my ($bad, $whole, %used) = (0, 0);
        sub complain { print "$_[0]\n"; $bad = 1 }
        sub text { my ($path) = @_; open(my $f, "<", $path) or return undef; local $/; return <$f> }
        for my $page ("README.md", "docs/guide.md", glob("docs/guide/*.md")) {
            my ($name, $is_whole, $block, $line) = ("", 0, undef, 0);
            for (split /^/, text($page) // die "no $page\n") {
                $line++;
                if (defined $block) {
                    if (!/^```/) { $block .= $_; next }
                    my $source = $name eq "" ? undef : text($name);
                    if (!defined $source) { complain("$page:$line: the block names no example that there is") }
                    else {
                        $used{$name} = 1;
                        $source =~ s{\A/\* SPDX[^\n]*\n/\* SPDX[^\n]*\n}{};
                        $whole++ if $is_whole && $page eq "README.md";
                        complain("$page:$line: not what is in $name")
                            if $is_whole ? $source ne $block : index("\n$source", "\n$block") < 0;
                    }
                    undef $block;
                    $name = "";
                } elsif (/^```(c|cpp)$/) { $block = "" }
                elsif (m{^<!-- (docs/examples/\S+?)(, whole)? -->$}) { ($name, $is_whole) = ($1, defined $2) }
                else {
                    $name = "";
                    $used{$1} = 1 while m{\b(docs/examples/\w+\.\w+)}g;
                    $used{"docs/$1"} = 1 while m{\((?:\.\./)?(examples/\w+\.\w+)\)}g;
                }
            }
            complain("$page: a block has no end") if defined $block;
        }
        complain("README.md quotes no example as a whole") if !$whole;
        $used{$_} or complain("$_: in no page") for glob("docs/examples/*.c docs/examples/*.cc");
        exit $bad;
    ')
}

# plant README GUIDE
tree=$tmp/tree
mkdir -p "$tree/docs/examples"
spdx='/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */'
printf '%s\nint one;\nint two;\n' "$spdx" >"$tree/docs/examples/a.c"
plant() {
    printf "$1" >"$tree/README.md"
    printf "$2" >"$tree/docs/guide.md"
}
refuse() {
    plant "$1" "$2"
    if check "$tree" >"$tmp/out"; then
        echo "self-test: not refused: $1 / $2"
        exit 1
    fi
}
whole='<!-- docs/examples/a.c, whole -->\n```c\nint one;\nint two;\n```\n'
plant "$whole" '<!-- docs/examples/a.c -->\n```c\nint two;\n```\n'
check "$tree" || { echo 'self-test: a good tree is refused'; exit 1; }
refuse '<!-- docs/examples/a.c, whole -->\n```c\nint one;\n```\n' ''
refuse "$whole" '<!-- docs/examples/a.c -->\n```c\nint tow;\n```\n'
refuse "$whole" '<!-- docs/examples/a.c -->\n```c\none;\n```\n'
refuse "$whole" '```c\nint two;\n```\n'
refuse "$whole" '<!-- docs/examples/b.c -->\n```c\nint two;\n```\n'
refuse 'text\n' ''
mkdir "$tree/docs/guide"
printf '<!-- docs/examples/a.c -->\n```c\nint tow;\n```\n' >"$tree/docs/guide/page.md"
refuse "$whole" ''
printf '[a](../examples/b.c)\n' >"$tree/docs/guide/page.md"
touch "$tree/docs/examples/b.c"
check "$tree" || { echo 'self-test: a link from a page of the guide is not seen'; exit 1; }
rm "$tree/docs/guide/page.md"
refuse "$whole" ''

check "$root"
echo "$(ls "$root"/docs/examples/*.c* | wc -l) examples"
