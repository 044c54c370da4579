#!/bin/sh
# SPDX-FileCopyrightText: 2026 The libwane authors
# SPDX-License-Identifier: MIT
#
# references.sh ROOT: what comments and pages refer to is there.
#
# A file that is named in a comment or on a page exists, by its whole path or the end of it. A name that begins
# with wane_ or WANE_ stands somewhere in the code. A link leads to a file, and to a heading of it. The help of
# tools/test names every suite of tests. Names in capitals (NAME.c) are placeholders.
set -eu

root=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# check TREE: prints each difference; fails when there is one.
check() {
    (cd "$1" && find . -type d \( -name '.git' -o -name 'build*' \) -prune -o -type f -print) |
        sed 's|^\./||' | LC_ALL=C sort >"$tmp/files"
    (cd "$1" && perl -e '
        use strict;
        my %not_ours = map { $_ => 1 } ("pan.c", "program.c", "picture.svg"); # made by spin; examples of use
        my %placeholder = map { $_ => 1 } ("wane_noun_verb", "wane__noun_verb");
        my $bad = 0;
        sub complain { print "$_[0]\n"; $bad = 1 }
        open(my $list, "<", shift) or die;
        chomp(my @files = <$list>);
        my (%there, %tail, %code, %headings);
        for my $f (@files) {
            $there{$f} = 1;
            (my $t = "/$f") =~ s{^.*?/}{};
            while (1) { $tail{$t} = 1; last unless $t =~ s{^[^/]+/}{} }
        }
        # prose and code of a file, line by line alike
        sub parts {
            my ($f) = @_;
            open(my $in, "<", $f) or die "$f\n";
            my $all = do { local $/; <$in> } // "";
            return ($all, "") if $f =~ /\.md$/;
            my ($prose, $code) = ("", "");
            if ($f =~ /\.(c|h|cc|hpp|pml)$/) {
                while ($all =~ m{\G(/\*.*?\*/|//[^\n]*|"(?:[^"\\\n]|\\.)*"|\x27(?:[^\x27\\\n]|\\.)*\x27|[^/"\x27]+|.)}gsc) {
                    my $part = $1;
                    my $lines = "\n" x ($part =~ tr/\n//);
                    if ($part =~ m{^/[*/]}) { $prose .= $part; $code .= $lines }
                    else { $code .= $part; $prose .= " $lines" }
                }
            } else {
                for (split /^/, $all) {
                    if (/^\s*#(.*)/s) { $prose .= $1; $code .= "\n" } else { $code .= $_; $prose .= "\n" }
                }
            }
            return ($prose, $code);
        }
        my @prose;
        for my $f (@files) {
            next if $f !~ /\.(c|h|cc|hpp|pml|md|sh|map)$|meson\.build$|^tools\//;
            my ($prose, $code) = parts($f);
            # Lint tests plant what must be refused.
            push @prose, [$f, $prose] if $f !~ m{^tests/lint/.*\.sh$};
            $code{$1} = 1 while $code =~ /\b(wane_\w+|WANE_\w+)/g;
            next if $f !~ /\.md$/;
            while ($prose =~ /^#+\s+(.*)$/mg) {
                my $anchor = lc $1;
                $anchor =~ s/[^\w\s-]//g;
                $anchor =~ s/\s/-/g;
                $headings{$f}{$anchor} = 1;
            }
        }
        sub resolve {
            my ($dir, $path) = @_;
            my @at = split m{/}, $dir . $path;
            my @out;
            for (@at) { if ($_ eq "..") { pop @out } elsif ($_ ne "." && $_ ne "") { push @out, $_ } }
            return join "/", @out;
        }
        for my $p (@prose) {
            my ($f, $prose) = @$p;
            (my $dir = $f) =~ s{[^/]*$}{};
            my $line = 0;
            for (split /\n/, $prose, -1) {
                $line++;
                while (m{(?<![\w/.<\$*{}-])((?:\.\./)*[A-Za-z_][\w-]*(?:/[\w.-]+)*\.(?:c|h|cc|hpp|md|pml|sh|build|ini|svg|map))\b(?!\()}g) {
                    my $name = $1;
                    next if $not_ours{$name} || $name =~ m{(^|/)[A-Z]+(/|\.\w+$)} && $name !~ /\.md$/;
                    complain("$f:$line: no file $name") if !$tail{$name} && !$there{resolve($dir, $name)};
                }
                while (/\b(wane_\w+|WANE_\w+)(?!\w*[*<])/g) {
                    my $name = $1;
                    next if $name =~ /_$/ || $code{$name} || $placeholder{$name};
                    complain("$f:$line: no code has $name");
                }
                next if $f !~ /\.md$/;
                while (/\]\(([^)\s]+)\)/g) {
                    my ($to, $anchor) = split /#/, $1, 2;
                    next if $to =~ /^[a-z]+:/;
                    my $target = $to eq "" ? $f : resolve($dir, $to);
                    my @inside = grep { m{^\Q$target\E(/|$)} } @files;
                    complain("$f:$line: the link leads nowhere: $to") if !@inside;
                    complain("$f:$line: no heading #$anchor in $target")
                        if defined $anchor && !$headings{$target}{$anchor};
                }
            }
        }
        my %suites;
        for my $f (grep { /meson\.build$/ } @files) {
            my (undef, $code) = parts($f);
            $suites{$1} = 1 while $code =~ /suite: \x27([\w-]+)\x27/g;
        }
        my ($help) = $there{"tools/test"} ? (parts("tools/test"))[0] =~ /--suite LIST +(\S[^\n]*)/ : ("");
        for (sort keys %suites) { complain("tools/test --help does not name the suite $_") if $help !~ /(?:^|[ ,])\Q$_\E(?:,|\z)/ }
        exit $bad;
    ' "$tmp/files")
}

tree=$tmp/tree
plant() {
    rm -rf "$tree"
    mkdir -p "$tree/lib/base" "$tree/docs" "$tree/tools" "$tree/tests"
    echo '# a, page
[b](docs/page.md#next-one) [c](lib)' >"$tree/README.md"
    echo '## Next one' >"$tree/docs/page.md"
    echo '/* see base/one.c and docs/page.md, wane_new */ int wane_new; char *s = "gone.c /* wane_gone";' >"$tree/lib/base/one.c"
    echo '#   --suite LIST   unit, api' >"$tree/tools/test"
    echo "test(suite: 'unit')" >"$tree/tests/meson.build"
}
# refuse FILE TEXT: a good tree with a line more.
refuse() {
    plant
    echo "$2" >>"$tree/$1"
    if check "$tree" >"$tmp/out"; then
        echo "self-test: not refused in $1: $2"
        exit 1
    fi
}
plant
check "$tree" || { echo 'self-test: a good tree is refused'; exit 1; }
refuse lib/base/one.c '/* base/two.c */'
refuse lib/base/one.c '// design.md says so'
refuse lib/base/one.c '/* wane_gc_freeze does */'
refuse docs/page.md 'Call `wane_old`.'
refuse docs/page.md '[x](../lib/none.txt)'
refuse docs/page.md '[x](#nothing)'
refuse tests/meson.build '# as in other/meson.build'
refuse tests/meson.build "test(suite: 'ap')"

check "$root"
echo "$(wc -l <"$tmp/files") files"
