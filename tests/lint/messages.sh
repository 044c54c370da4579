#!/bin/sh
# SPDX-FileCopyrightText: 2026 The libwane authors
# SPDX-License-Identifier: MIT
#
# messages.sh ROOT: each line that the library can write has its entry in docs/guide/messages.md, and that page
# has no entry for another line.
#
# An entry begins with the text alone on a line, **`like this`**, where <words in angle brackets> stand for what is
# filled in, or differs between several lines. In the sources it is the format of wane__log, wane__fatal or wane__log_owe_line, or of a function say() that takes a level as they do, a string of a table
# of lines that are said later, or what wane.hpp writes by itself.
set -eu

root=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# check TREE: prints each difference; fails when there is one.
check() {
    (cd "$1" && find lib include -type f \( -name '*.c' -o -name '*.h' -o -name '*.hpp' \) | LC_ALL=C sort | perl -e '
        use strict;
        my (%said, %known, $bad);
        sub text { my ($path) = @_; open(my $f, "<", $path) or die "no $path\n"; local $/; return <$f> }
        # Adjacent strings, and macros that are strings, as one text; undef if it does not begin with one.
        sub format_of {
            my ($code, $macros) = @_;
            my $out;
            while ($code =~ /\G\s*(?:"((?:[^"\\]|\\.)*)"|([A-Z]+)\b)/gc) {
                my $part = defined $1 ? $1 : $macros->{$2};
                return $out if !defined $part;
                $out .= $part;
            }
            return undef if !defined $out || $out eq "%s";
            $out =~ s/%[-+ #0]*(?:\*|\d+)?(?:\.(?:\*|\d+))?(?:hh|h|ll|l|z)?[a-zA-Z]/<>/g;
            $out =~ s/\\n$//;
            $out =~ s/\\(.)/$1/g;
            return $out;
        }
        while (my $path = <STDIN>) {
            chomp $path;
            my $code = text($path);
            my %macros;
            $macros{$1} = $2 while $code =~ /^#define ([A-Z]+) "([^"]*)"$/mg;
            my @at;
            push @at, $+[0] while $code =~ /\bwane(?:__|p_)(?:fatal|log_owe_line)\(/g;
            push @at, $+[0] while $code =~ /\bwane(?:__|p_)log\([^,"]*,/g;
            push @at, $+[0] while $code =~ /\bsay\([^,"]*, (?:WANE__LOG_[A-Z]+|level),/g;
            push @at, $+[0] while $code =~ /\[WANE(?:__|P_)OWED_\w+\] =/g;
            push @at, $+[0] while $code =~ /\bfputs\((?="wane: )/g;
            for (@at) {
                my $format = format_of(substr($code, $_), \%macros);
                next if !defined $format;
                $format =~ s/^wane: // if $path =~ /\.hpp$/;
                $said{$format} = $path;
            }
        }
        my $page = "docs/guide/messages.md";
        for my $entry (text($page) =~ /^\*\*`(.*)`\*\*$/mg) {
            print "$page: twice: $entry\n" and $bad = 1 if exists $known{$entry};
            my $pattern = join ".+", map { quotemeta } split /<[^>]*>/, $entry, -1;
            $known{$entry} = qr/^$pattern$/;
        }
        for my $line (sort keys %said) {
            print "$page has no entry for this line of $said{$line}: $line\n" and $bad = 1
                if !grep { $line =~ $_ } values %known;
        }
        for my $entry (sort keys %known) {
            print "$page: nothing in lib/ or include/ writes: $entry\n" and $bad = 1
                if !grep { $_ =~ $known{$entry} } keys %said;
        }
        print scalar(keys %said), " lines\n" if !$bad;
        exit($bad || !%said);
    ')
}

tree=$tmp/tree
mkdir -p "$tree/lib/base" "$tree/include" "$tree/docs/guide"
# plant ENTRIES CODE
plant() {
    printf '%s\n' "$1" >"$tree/docs/guide/messages.md"
    printf '%s\n' "$2" >"$tree/lib/base/a.c"
}
refuse() {
    plant "$1" "$2"
    if check "$tree" >"$tmp/out"; then
        echo "self-test: not refused: $1 / $2"
        exit 1
    fi
}
entry='**`object <address> of type "<type>" is <n>`**'
code='wane__fatal("object %p of type \"%s\" "
    "is %016llx", o);'
plant "$entry" "$code"
check "$tree" >"$tmp/out" || { echo 'self-test: a good tree is refused'; cat "$tmp/out"; exit 1; }
refuse "$entry" "$code wane__log(LEVEL, \"another\");"
refuse "$entry" "$code
static const char *const lines[] = {
    [WANE__OWED_X] = \"another\","
refuse "$entry" "$code wane__log_owe_line(\"another %d\", 1);"
refuse "$entry
**\`another\`**" "$code"
refuse "$entry" 'wane__fatal("object %p of type %s is %d", o);'
refuse '' ''

check "$root"
