#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The libwane authors
# SPDX-License-Identifier: MIT
"""The reference, out of the comments of the public headers, which are written to be read in the headers.

    reference.py filter HEADER                  the header as doxygen wants to see it, to standard output
    reference.py man VERSION OUTPUT HEADER... [-- HEADER...]
                                                pages of sections 3 and 7, in OUTPUT/man3 and OUTPUT/man7

Each list of headers is a library's.

A comment belongs to the declarations that follow it without a blank line: all of them. Its paragraphs are prose, but for
lines that begin with a parameter's name and a colon, with "Returns", or with one of the words of LABELS and a colon;
lines that are indented further are kept as they are. Code stands between backticks.
"""
import os
import re
import shutil
import sys

LABELS = ('Ownership', 'Threads', 'Errors')
# A library's first header, and its name for pkg-config and for its page in section 7.
LIBRARIES = {'wane.h': 'wane', 'wane/values.h': 'wane-values'}
INTERNAL = ('WANE_API', 'WANE_INLINE')


class Item:
    """A comment and what it is about: a list of (kind, name, text), kind one of function, variable, type, macro, constants."""

    def __init__(self, header, comment, declarations):
        self.header = header
        self.comment = comment
        self.declarations = declarations

    def parameters(self):
        return {p for kind, _, text in self.declarations if kind == 'function' for p in parameters_of(text)}


def uncomment(comment):
    """The lines of a comment without its stars."""
    text = re.sub(r'^/\*+<?', '', comment)
    text = re.sub(r'\*/$', '', text)
    lines = [re.sub(r'^[ \t]*\* ?', '', line).rstrip() for line in text.split('\n')]
    lines[0] = lines[0].strip()
    while lines and not lines[0]:
        lines.pop(0)
    while lines and not lines[-1]:
        lines.pop()
    return lines


def split_arguments(text):
    depth, part, parts = 0, '', []
    for c in text:
        depth += (c in '([') - (c in ')]')
        if c == ',' and depth == 0:
            parts.append(part)
            part = ''
        else:
            part += c
    return parts + [part]


def parameters_of(prototype):
    """Names of the parameters of a function."""
    inside = prototype[prototype.index('(') + 1:prototype.rindex(')')]
    names = []
    for argument in split_arguments(inside):
        match = re.search(r'\(\*(\w+)\)', argument) or re.search(r'(\w+)\s*(\[\d*\])?\s*$', argument)
        if match and match.group(1) != 'void':
            names.append(match.group(1))
    return names


def declarations_of(block):
    """What a block of code declares that is public."""
    found = []
    for match in re.finditer(r'\b(?:WANE_API|WANE_INLINE)\s+([^;{]*\))\s*[;{]', block):
        text = ' '.join(match.group(1).split())
        name = re.search(r'\b(wane_\w+)\s*\(', text)
        if name and not name.group(1).startswith('wane__'):
            found.append(('function', name.group(1), text))
    for match in re.finditer(r'^extern WANE_API ([^;(]*\b(wane_(?!_)\w+));', block, re.M):
        found.append(('variable', match.group(2), 'extern ' + match.group(1)))
    match = re.search(r'^typedef struct \w+ \{.*?^\} (wane_\w+);|^struct (wane_\w+) \{.*?^\};|^typedef struct (wane_\w+) \3;',
                      block, re.M | re.S)
    name = match and (match.group(1) or match.group(2) or match.group(3))
    if name and not name.startswith('wane__'):
        found.insert(0, ('type', name, match.group(0)))
    elif block.startswith('enum'):
        names = re.findall(r'\b(WANE_[A-Z_]+)\b', block)
        found.append(('constants', names[0], block.split(';')[0] + ';'))
    match = re.search(r'^#define (WANE_(?!_)\w+)(\([^)]*\))?(.*)', block, re.M)
    if not found and match and match.group(1) not in INTERNAL:
        value = '' if match.group(2) or len(match.group(3)) > 40 or match.group(3).endswith('\\') else match.group(3)
        found.append(('macro', match.group(1), match.group(1) + (match.group(2) or '') + value))
    return found


COMMENT_AND_BLOCK = re.compile(r'^(/\*(?:[^*]|\*(?!/))*\*/)\n((?:(?!/\*)[^\n]+\n)*)', re.M)


def items_of(path, header):
    """The head comment's lines of a header, and its items."""
    with open(path, encoding='utf-8') as f:
        text = f.read()
    comments = list(COMMENT_AND_BLOCK.finditer(text))
    head = next(m for m in comments if 'SPDX' not in m.group(1))
    items = []
    for match in comments:
        block = match.group(2)
        if match is head or 'SPDX' in match.group(1):
            continue
        # a struct's body has comments of its own
        if re.match(r'(typedef struct \w+|struct \w+|enum) \{', block):
            end = text.index('\n}', match.start(2)) + 2
            block = text[match.start(2):end] + text[end:].split('\n\n', 1)[0]
        declarations = declarations_of(block)
        if declarations:
            items.append(Item(header, uncomment(match.group(1)), declarations))
    return uncomment(head.group(1)), items


def one_or_more(names):
    one = '(?:' + '|'.join(sorted(names)) + ')'
    return one + '(?:, ' + one + ')*'


def paragraphs(lines, parameters):
    """(label, text) of each part; label '' is prose, '|' lines as they are, ':name' a parameter."""
    parts = []

    def add(label, text):
        parts.append([label, text])

    fresh, in_note = True, False
    for line in lines:
        if not line:
            fresh = True
            continue
        note = re.match(r'\(\d+\) ', line)
        if note:
            fresh = in_note = True
        elif not line.startswith('    '):
            in_note = False
        if in_note and not note:
            line = line.strip()
        if line.startswith('  '):
            if parts and parts[-1][0] == '|':
                parts[-1][1] += ('\n\n' if fresh else '\n') + line
            else:
                add('|', line)
            fresh = False
            continue
        pieces = [line]
        if parameters:
            pieces = re.split(r'(?:^|(?<=\. ))(?=' + one_or_more(parameters) + r': )', line)
        pieces = [q for p in pieces for q in re.split(r'(?<=[.)] )(?=(?:' + '|'.join(LABELS) + r'): )', p)]
        for piece in pieces:
            label = re.match(r'(' + '|'.join(LABELS) + r'): (.*)', piece)
            parameter = re.match(r'(' + one_or_more(parameters) + r'): (.*)', piece) if parameters else None
            if label:
                add(label.group(1), label.group(2))
            elif parameter:
                add(':' + parameter.group(1), parameter.group(2))
            elif re.match(r'Returns?\b', piece):
                add('Returns', piece)
            elif piece and (fresh or not parts or parts[-1][0] == '|'):
                add('', piece)
            elif piece:
                parts[-1][1] += ' ' + piece
            fresh = False
    return [(label, text if label == '|' else ' '.join(text.split())) for label, text in parts]


# Doxygen


def for_doxygen(text):
    text = re.sub(r'([\\@<>&#%$"])', r'\\\1', text)
    return re.sub(r'`([^`]*)`', r'<code>\1</code>', text)


def doxygen_body(lines, parameters):
    out = []
    for label, text in paragraphs(lines, parameters):
        if label == '|':
            out.append('@verbatim\n' + text + '\n@endverbatim')
        elif label.startswith(':'):
            out.append('@param ' + label[1:].replace(' ', '') + ' ' + for_doxygen(text))
        elif label == 'Returns':
            out.append('@return ' + for_doxygen(re.sub(r'^Returns?:? ', '', text)))
        elif label:
            out.append('@par ' + label + '\n' + for_doxygen(text))
        else:
            out.append(for_doxygen(text))
    return '\n\n'.join(out).replace('*/', '* /')


def filter_header(path):
    """Every comment outside of functions becomes one of doxygen's; one for several declarations stands before each."""
    with open(path, encoding='utf-8') as f:
        text = f.read()
    seen_head = False

    def convert(match):
        nonlocal seen_head
        comment, block = match.group(1), match.group(2)
        if 'SPDX' in comment:
            return match.group(0)
        lines = uncomment(comment)
        if not seen_head:
            seen_head = True
            name, _, brief = lines[0].partition(': ')
            page = '@mainpage libwane\n\n' if name == 'wane.h' else ''
            return '/** ' + page + '@file ' + name + '\n' + doxygen_body([brief] + lines[1:], ()) + '\n*/\n' + block
        found = declarations_of(block)
        parameters = {p for kind, _, t in found if kind == 'function' for p in parameters_of(t)}
        doc = '/** ' + doxygen_body(lines, ()) + ' */\n'
        if len(found) > 1 or parameters:
            docs = iter('/** ' + doxygen_body(lines, set(parameters_of(t)) if k == 'function' else ()) + ' */\n'
                        for k, _, t in found)
            return re.sub(r'^(?=(?:extern )?WANE_API\b|WANE_INLINE\b|typedef struct \w+ wane_\w+;)', lambda m: next(docs, ''), block, flags=re.M)
        return doc + block

    text = COMMENT_AND_BLOCK.sub(convert, text)
    # macros that stand for functions of the same name
    text = re.sub(r'^#define (wane_\w+)\([^)]*\) .*\n', '', text, flags=re.M)
    # doxygen knows no scope for it
    text = re.sub(r'^template <class T> struct std::hash.*?^};\n', '', text, flags=re.M | re.S)
    # members: a comment behind its member, or before it
    text = re.sub(r'(?<=[;,]) *(/\*(?!\*)(?:[^*]|\*(?!/))*\*/)(?=\n)',
                  lambda m: ' /**< ' + doxygen_body(uncomment(m.group(1)), ()) + ' */', text)
    text = re.sub(r'^( +)(/\*(?!\*)(?:[^*]|\*(?!/))*\*/)(?=\n)',
                  lambda m: m.group(1) + '/** ' + doxygen_body(uncomment(m.group(2)), ()) + ' */', text, flags=re.M)
    sys.stdout.write(text)


# Manual pages


def for_man(text):
    text = text.replace('\\', '\\e').replace('-', '\\-')
    text = re.sub(r'`([^`]*)`', r'\\fB\1\\fR', text)
    text = re.sub(r'(?<![\w/.])((?:wane|WANE)_\w+)', r'\\fB\1\\fR', text)
    return re.sub(r"^(?=[.'])", r'\\&', text, flags=re.M)


def kept(text):
    return '.nf\n' + re.sub(r"^(?=[.'])", r'\\&', text.replace('\\', '\\e').replace('-', '\\-'), flags=re.M) + '\n.fi'


def brief_of(lines):
    text = next((t for label, t in paragraphs(lines, ()) if label != '|'), '')
    text = re.split(r'(?<=[a-z0-9)])\.(?: |$)', text)[0]
    if len(text) > 90:
        text = re.split(r'(?<=.{20})[:;] ', text)[0]
    return text[:1].lower() + text[1:] if not text.startswith('NULL') else text


def man_page(item, version, together, first):
    names = [name for _, name, _ in item.declarations]
    out = ['.TH ' + names[0] + ' 3 "" "libwane ' + version + '" "libwane"', '.SH NAME',
           ', '.join(names) + ' \\- ' + for_man(brief_of(item.comment)).replace('\\fB', '').replace('\\fR', ''),
           '.SH SYNOPSIS', '.nf', '.B #include <' + first + '>', '']
    for kind, _, text in item.declarations:
        text = text if kind in ('function', 'variable', 'type', 'constants') else '#define ' + text
        semicolon = ';' if kind in ('function', 'variable') else ''
        out.append('\\fB' + (text + semicolon).replace('\\', '\\e').replace('-', '\\-').replace('\n', '\\fR\n\\fB') + '\\fR')
    out += ['.fi', '.SH DESCRIPTION']
    section = 'DESCRIPTION'
    parts = paragraphs(item.comment, item.parameters())
    for label, text in parts:
        wanted = {'Returns': 'RETURN VALUE', 'Ownership': 'OWNERSHIP', 'Threads': 'THREADS', 'Errors': 'ERRORS'}
        if label in wanted:
            if section != wanted[label]:
                section = wanted[label]
                out.append('.SH ' + section)
            out.append(for_man(text[:1].upper() + text[1:]))
        elif label == '|':
            out.append(kept(text))
        elif label:
            out += ['.TP', '.I ' + label[1:], for_man(text)]
        else:
            out += ['.PP', for_man(text)]
    others = [name for name in together if name not in names]
    out += ['.SH SEE ALSO', ',\n'.join(['.BR ' + for_man(LIBRARIES[first]) + ' (7)'] + ['.BR ' + n + ' (3)' for n in others]).replace('),\n', ') ,\n')]
    return '\n'.join(out) + '\n'


def whole_page(head, contents, version, first):
    library = for_man(LIBRARIES[first])
    out = ['.TH ' + LIBRARIES[first] + ' 7 "" "libwane ' + version + '" "libwane"', '.SH NAME',
           library + ' \\- ' + for_man(head[0].partition(': ')[2].rstrip('.')), '.SH SYNOPSIS', '.nf', '.B #include <' + first + '>', '',
           'cc program.c $(pkg\\-config \\-\\-cflags \\-\\-libs ' + library + ')', '.fi', '.SH DESCRIPTION']
    for label, text in paragraphs(head[1:], ()):
        out += [kept(text) if label == '|' else '.PP\n' + for_man(text)]
    out.append('.SH PAGES')
    for header, lines, items in contents:
        if not items:
            continue
        out += ['.SS ' + header, for_man(' '.join(lines[0].partition(': ')[2].split()))]
        for item in items:
            names = ', '.join('\\fB' + name + '\\fR(3)' for _, name, _ in item.declarations)
            out += ['.TP', names, for_man(brief_of(item.comment))]
    return '\n'.join(out) + '\n'


def write_pages(version, output, root, headers):
    """The pages of one library."""
    head, first, contents = None, None, []
    for path in headers:
        header = os.path.relpath(path, root)
        lines, items = items_of(path, header)
        if header in LIBRARIES:
            head, first = lines, header
        else:
            contents.append((header, lines, items))

    def write(section, name, text):
        with open(os.path.join(output, section, name), 'w', encoding='utf-8') as f:
            f.write(text)

    for _, _, items in contents:
        together = [item.declarations[0][1] for item in items if item.declarations[0][0] == 'function']
        for item in items:
            names = [name for _, name, _ in item.declarations]
            write('man3', names[0] + '.3', man_page(item, version, together, first))
            for other in names[1:]:
                write('man3', other + '.3', '.so man3/' + names[0] + '.3\n')
    write('man7', LIBRARIES[first] + '.7', whole_page(head, contents, version, first))


def write_libraries(version, output, arguments):
    split = arguments.index('--') if '--' in arguments else len(arguments)
    lists = [l for l in (arguments[:split], arguments[split + 1:]) if l]
    root = os.path.commonpath([os.path.dirname(h) for h in lists[0]])
    for section in ('man3', 'man7'):
        shutil.rmtree(os.path.join(output, section), ignore_errors=True)
        os.makedirs(os.path.join(output, section))
    for headers in lists:
        write_pages(version, output, root, headers)


def main(arguments):
    if len(arguments) == 2 and arguments[0] == 'filter':
        filter_header(arguments[1])
    elif len(arguments) > 3 and arguments[0] == 'man':
        write_libraries(arguments[1], arguments[2], arguments[3:])
    else:
        sys.exit(__doc__)


if __name__ == '__main__':
    main(sys.argv[1:])
