"""Reads a shell command into a tree, as bash would: quoting, expansions, compounds, here-documents.

Runs and expands nothing. What it does not read (extglob patterns, zsh's own syntax) it refuses as
`Unparsable`; history expansion and aliases are not seen here.
"""

from __future__ import annotations

import re

from syntax import Arith, Function, Group, Lit, Pipe, Proc, Redirect, Script, Simple, Sub, Var, Word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from syntax import Node, Part

_MOST_DEPTH = 40
_PLAIN = re.compile(r"[^ \t\n;&|()<>'\"\\$`]+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ASSIGN = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\[[^]\n]*\])?\+?=")
_REDIRECT = re.compile(r"([0-9]*|\{[A-Za-z_]\w*\})(&>>|&>|<<<|<<-|<<|<>|<&|>>|>&|>\||<|>)")
_FUNCTION = re.compile(r"([^ \t\n;&|()<>'\"\\$`{}=]+)[ \t]*\([ \t]*\)")
_ANSI = re.compile(
    r"\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|([0-7]{1,3})|c(.)|(.))",
    re.DOTALL,
)
_ANSI_NAMED = {"a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r"}
_ANSI_NAMED.update({"t": "\t", "v": "\v"})
_NO_TEXT = re.compile("[\0\ud800-\udfff\ue000-\ue0ff]")  # `expand` marks characters by these
_BLANK = " \t"
_META = " \t\n;&|()<>"
_AFTER = {"then": ("elif", "else", "fi"), "elif": ("then",), "else": ("fi",)}
_DECLARING = frozenset("declare typeset local export readonly".split())
_END = frozenset("then else elif fi do done esac }".split())


class Unparsable(ValueError):
    """bash would refuse it as well, or it is beyond this reader."""


def parse(text: str) -> Script:
    """The tree of a command.

    Raises:
        Unparsable: an open quote or compound, or what this reader does not know.
    """
    if _NO_TEXT.search(text):
        raise Unparsable("a character that no command has")
    reader = _Reader(text)
    script = reader.script()
    reader.skip()
    if reader.pos < len(text):
        raise Unparsable(f"unexpected {text[reader.pos]!r}")
    reader.read_bodies()
    return script


class _Reader:
    """A position in the text; every method leaves it behind what was read."""

    def __init__(self, text: str, depth: int = 0) -> None:
        self.text = text
        self.pos = 0
        self.depth = depth
        self.pending: list[tuple[Redirect, str, bool]] = []

    def at(self, token: str) -> bool:
        return self.text.startswith(token, self.pos)

    def expect(self, token: str) -> None:
        if not self.at(token):
            raise Unparsable(f"{token!r} is missing")
        self.pos += len(token)

    def blanks(self) -> None:
        """Passes over blanks, joined lines and a comment; not over the line's end."""
        text, end = self.text, len(self.text)
        while self.pos < end:
            if text[self.pos] in _BLANK:
                self.pos += 1
            elif self.at("\\\n"):
                self.pos += 2
            elif text[self.pos] == "#":
                found = text.find("\n", self.pos)
                self.pos = end if found < 0 else found
            else:
                return

    def skip(self) -> None:
        """Passes over blanks and line ends, and reads the here-documents that begin there."""
        while True:
            self.blanks()
            if not self.at("\n"):
                return
            self.pos += 1
            self.read_bodies()

    def read_bodies(self) -> None:
        pending, self.pending = self.pending, []
        for redirect, delimiter, indented in pending:
            start, lines = self.pos, []
            while self.pos < len(self.text):
                found = self.text.find("\n", self.pos)
                end = len(self.text) if found < 0 else found
                line = self.text[self.pos : end]
                self.pos = min(end + 1, len(self.text))
                line = line.lstrip("\t") if indented else line
                if line == delimiter:
                    break
                lines.append(line + "\n")
            body = "".join(lines) if self.pos > start else ""
            redirect.target = self._body(body, quoted=redirect.quoted)

    def _body(self, body: str, *, quoted: bool) -> Word:
        if quoted or not ("$" in body or "`" in body or "\\" in body):
            return Word([Lit(body, quoted=True)])
        inner = _Reader(body, self.depth + 1)
        return Word(inner.double(""))

    def script(self, end: str = "") -> Script:
        """Commands up to a closing word, `end`, or `;;`, none of which is read."""
        self.depth += 1
        if self.depth > _MOST_DEPTH:
            raise Unparsable("nested too deep")
        script = Script()
        while True:
            self.skip()
            if self.pos >= len(self.text) or self.at(end or ")") or self.at(";;") or self.at(";&"):
                break
            if self.peek() in _END:
                break
            node = self.pipeline()
            self.blanks()
            op = next((op for op in ("&&", "||", "&", ";") if self.at(op)), "")
            if op == ";" and (self.at(";;") or self.at(";&")):
                op = ""
            self.pos += len(op)
            script.items.append((node, op))
            if not op and not (self.pos >= len(self.text) or self.at("\n")):
                break
        if script.items and script.items[-1][1] in ("&&", "||"):
            raise Unparsable("a command is missing")
        self.depth -= 1
        return script

    def peek(self) -> str:
        """The next word, where it is unquoted; "" otherwise."""
        found = _PLAIN.match(self.text, self.pos)
        if not found or self.text[found.end() : found.end() + 1] not in ("", *_META):
            return ""
        return found.group()

    def pipeline(self) -> Node:
        nodes: list[Node] = []
        while True:
            self.skip() if nodes else self.blanks()
            while self.peek() == "!":
                self.pos += 1
                self.blanks()
            nodes.append(self.command())
            self.blanks()
            if self.at("||") or not self.at("|"):
                break
            self.pos += 2 if self.at("|&") else 1
        return nodes[0] if len(nodes) == 1 else Pipe(nodes)

    def command(self) -> Node:
        if self.at("(("):
            start = self.pos
            try:
                group = Group("((")
                self.pos += 2
                group.words = [self._arithmetic("))")]
                return self._redirected(group)
            except Unparsable:
                self.pos = start
        if self.at("("):
            self.pos += 1
            return self._redirected(self._bracketed("(", ")"))
        word = self.peek()
        compound = _COMPOUNDS.get(word)
        if compound is not None:
            self.pos += len(word)
            made = compound(self)
            return made if isinstance(made, Function) else self._redirected(made)
        if word in _END:
            raise Unparsable(f"unexpected {word!r}")
        found = _FUNCTION.match(self.text, self.pos)
        if found:
            self.pos = found.end()
            return self._function(found.group(1))
        return self.simple()

    def _bracketed(self, kind: str, end: str) -> Group:
        group = Group(kind)
        group.scripts.append(self.script(end if end == ")" else ""))
        self.skip()
        self.expect(end)
        return group

    def _function(self, name: str) -> Function:
        self.skip()
        return Function(name, self.command())

    def _redirected(self, group: Group) -> Group:
        while True:
            self.blanks()
            redirect = self.redirect()
            if redirect is None:
                return group
            group.redirects.append(redirect)

    def simple(self) -> Simple:
        node = Simple()
        start = self.pos
        while True:
            self.blanks()
            redirect = self.redirect()
            if redirect is not None:
                node.redirects.append(redirect)
                continue
            found = None if node.words else _ASSIGN.match(self.text, self.pos)
            if found:
                self.pos = found.end()
                name = found.group(1) + ("+" if found.group().endswith("+=") else "")
                node.assigns.append((name, self._assigned()))
                continue
            if self.pos >= len(self.text) or (self.text[self.pos] in _META and not self._proc()):
                break
            word = self.word()
            if self.at("(") and _takes_lists(node) and (word.bare or "").endswith("="):
                word.parts += [part for item in self._assigned() for part in item.parts]
            node.words.append(word)
        if self.pos == start:
            raise Unparsable("a command is missing")
        return node

    def _proc(self) -> bool:
        return self.at("<(") or self.at(">(")

    def _assigned(self) -> list[Word]:
        if not self.at("("):
            at_end = self.pos >= len(self.text) or self.text[self.pos] in _META
            return [Word([]) if at_end and not self._proc() else self.word()]
        self.pos += 1
        words: list[Word] = []
        while True:
            self.skip()
            if self.at(")"):
                self.pos += 1
                return words
            words.append(self.word())

    def redirect(self) -> Redirect | None:
        found = _REDIRECT.match(self.text, self.pos)
        if not found or (self._proc() and not found.group(1)):
            return None
        fd, op = found.groups()
        if op in ("<", ">") and self.text.startswith("(", found.end()) and not fd:
            return None
        self.pos = found.end()
        self.blanks()
        target = self.word()
        if op not in ("<<", "<<-"):
            return Redirect(fd, op, target)
        delimiter = target.plain
        if delimiter is None:
            raise Unparsable("a delimiter that is no plain text")
        redirect = Redirect(fd, "<<", Word([]), quoted=target.bare is None)
        # `<<-` takes the tabs off the delimiter, too.
        indented = op == "<<-"
        self.pending.append((redirect, delimiter.lstrip("\t") if indented else delimiter, indented))
        return redirect

    def word(self) -> Word:
        parts: list[Part] = []
        text, end = self.text, len(self.text)
        start = self.pos
        while self.pos < end:
            char = text[self.pos]
            found = _PLAIN.match(text, self.pos)
            if found:
                self.pos = found.end()
                parts.append(Lit(found.group(), quoted=False))
            elif self._proc():
                self.pos += 2
                parts.append(Proc(self._inner_script(), char))
            elif char in _META:
                break
            else:
                parts += self._special(char)
        if self.pos == start:
            raise Unparsable("a word is missing")
        return Word(parts)

    def _special(self, char: str) -> list[Part]:
        if char == "'":
            return [Lit(self._until_quote(), quoted=True)]
        if char == '"':
            self.pos += 1
            return self.double('"')
        if char == "`":
            return [self._backticks(quoted=False)]
        if char == "$":
            return self._dollar(quoted=False)
        self.pos += 2  # a backslash
        escaped = self.text[self.pos - 1 : self.pos]
        return [] if escaped == "\n" else [Lit(escaped or "\\", quoted=True)]

    def _until_quote(self) -> str:
        found = self.text.find("'", self.pos + 1)
        if found < 0:
            raise Unparsable("an open quote")
        text = self.text[self.pos + 1 : found]
        self.pos = found + 1
        return text

    def double(self, end: str, *, nested: bool = False) -> list[Part]:
        """What stands in double quotes up to `end`, or in a here-document up to its end ("")."""
        parts: list[Part] = [Lit("", quoted=True)]
        text, size = self.text, len(self.text)
        while self.pos < size:
            char = text[self.pos]
            if end and self.at(end):
                self.pos += len(end)
                return parts
            if char == "\\":
                parts.append(Lit(self._escaped(end), quoted=True))
            elif char == "`":
                parts.append(self._backticks(quoted=True))
            elif char == "$":
                parts += self._dollar(quoted=True)
            elif nested and char == "'":
                parts.append(Lit(self._until_quote(), quoted=True))
            elif nested and char == '"':
                self.pos += 1
                parts += self.double('"')
            else:
                start = self.pos
                while self.pos < size and text[self.pos] not in "\\`$\"'}])":
                    self.pos += 1
                self.pos = max(self.pos, start + 1)
                parts.append(Lit(text[start : self.pos], quoted=not nested))
        if end:
            raise Unparsable("an open quote")
        return parts

    def _escaped(self, end: str) -> str:
        """What a backslash and the character behind it are in double quotes."""
        following = self.text[self.pos + 1 : self.pos + 2]
        self.pos += 2
        if following == "\n":
            return ""
        known = following in ("$", "`", "\\") or (following == '"' and bool(end))
        return following if known else "\\" + following

    def _backticks(self, *, quoted: bool) -> Sub:
        found = re.compile(r"`((?:[^`\\]|\\.)*)`", re.DOTALL).match(self.text, self.pos)
        if not found:
            raise Unparsable("an open backtick")
        self.pos = found.end()
        escaped = r'\\([`$\\"])' if quoted else r"\\([`$\\])"
        inner = _Reader(re.sub(escaped, r"\1", found.group(1)), self.depth + 1)
        script = inner.script()
        inner.skip()
        if inner.pos < len(inner.text):
            raise Unparsable("in backticks")
        inner.read_bodies()
        return Sub(script, quoted=quoted)

    def _inner_script(self) -> Script:
        script = self.script(")")
        self.skip()
        self.expect(")")
        return script

    def _dollar(self, *, quoted: bool) -> list[Part]:
        self.pos += 1
        if self.at("(("):
            start = self.pos
            try:
                self.pos += 2
                return [Arith(self._arithmetic("))"))]
            except Unparsable:
                self.pos = start
        if self.at("("):
            self.pos += 1
            return [Sub(self._inner_script(), quoted=quoted)]
        if self.at("["):
            self.pos += 1
            return [Arith(self._arithmetic("]"))]
        if self.at("{"):
            self.pos += 1
            return [self._braced(quoted=quoted)]
        if self.at("'") and not quoted:
            return [Lit(self._ansi(), quoted=True)]
        if self.at('"') and not quoted:
            self.pos += 1
            return self.double('"')
        found = _NAME.match(self.text, self.pos)
        name = found.group() if found else self.text[self.pos : self.pos + 1]
        if not found and (not name or name not in "0123456789@*#?-$!"):
            return [Lit("$", quoted=True)]
        self.pos += len(name)
        return [Var(name, "", None, quoted=quoted)]

    def _ansi(self) -> str:
        found = re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL).match(self.text, self.pos)
        if not found:
            raise Unparsable("an open quote")
        self.pos = found.end()
        return _ANSI.sub(_escape, found.group(1)).split("\0")[0]

    def _arithmetic(self, end: str) -> Word:
        """Up to the `end` that no bracket of its own precedes."""
        depth, start = 0, self.pos
        while self.pos < len(self.text):
            char = self.text[self.pos]
            if depth == 0 and self.at(end):
                inner = _Reader(self.text[start : self.pos], self.depth + 1)
                self.pos += len(end)
                if inner.depth > _MOST_DEPTH:
                    raise Unparsable("nested too deep")
                return Word(inner.double(""))
            depth += (char in "([") - (char in ")]")
            if depth < 0:
                break
            self.pos += 1
        raise Unparsable("open arithmetic")

    def _braced(self, *, quoted: bool) -> Var:
        found = re.compile(r"([!#]?)([A-Za-z_]\w*|[0-9]+|[@*#?$!-])(\[[^]]*\])?").match(
            self.text, self.pos
        )
        if not found:
            raise Unparsable("a strange ${")
        self.pos = found.end()
        name, odd = found.group(2), found.group(1)
        operator = re.compile(r":?[-=+?]|##?|%%?|//?|\^\^?|,,?|:|@|(?=\})").match(
            self.text, self.pos
        )
        if not operator:
            raise Unparsable("a strange ${")
        self.pos = operator.end()
        self.depth += 1
        if self.depth > _MOST_DEPTH:
            raise Unparsable("nested too deep")
        arg = Word(self.double("}", nested=True))
        self.depth -= 1
        return Var(name, "?" if odd else operator.group(), arg, quoted=quoted)


def _takes_lists(node: Simple) -> bool:
    """`declare a=(b c)`; elsewhere bash refuses a list, and zsh may run what is in it."""
    return bool(node.words) and node.words[0].bare in _DECLARING


def _escape(found: re.Match[str]) -> str:
    hexadecimal, short, long, octal, control, other = found.groups()
    for digits, base in ((hexadecimal, 16), (short, 16), (long, 16), (octal, 8)):
        if digits:
            code = int(digits, base)
            return chr(code & 0xFF if base == 8 else min(code, 0x10FFFF))
    if control:
        return chr(ord(control) & 0x1F)
    return _ANSI_NAMED.get(other, other if other in "\\'\"?" else "\\" + other)


def _if(reader: _Reader) -> Group:
    group = Group("if")
    expected: tuple[str, ...] = ("then",)
    while True:
        group.scripts.append(reader.script())
        reader.skip()
        word = reader.peek()
        if word not in expected:
            raise Unparsable(f"`{expected[-1]}` is missing")
        reader.pos += len(word)
        if word == "fi":
            return group
        expected = _AFTER[word]


def _do(reader: _Reader, group: Group) -> Group:
    reader.skip()
    if reader.at("{"):
        reader.pos += 1
        group.scripts.append(reader.script())
        reader.skip()
        reader.expect("}")
        return group
    if reader.peek() != "do":
        raise Unparsable("`do` is missing")
    reader.pos += 2
    group.scripts.append(reader.script())
    reader.skip()
    if reader.peek() != "done":
        raise Unparsable("`done` is missing")
    reader.pos += 4
    return group


def _while(reader: _Reader) -> Group:
    group = Group("while")
    group.scripts.append(reader.script())
    return _do(reader, group)


def _for(reader: _Reader) -> Group:
    group = Group("for")
    reader.blanks()
    if reader.at("(("):
        reader.pos += 2
        group.kind = "while"
        group.words = [reader._arithmetic("))")]
    else:
        group.name = reader.word().bare or ""
        reader.skip()
        if reader.peek() == "in":
            reader.pos += 2
            reader.blanks()
            while reader.pos < len(reader.text) and reader.text[reader.pos] not in ";\n&|()<>":
                group.words.append(reader.word())
                reader.blanks()
    reader.blanks()
    if reader.at(";"):
        reader.pos += 1
    return _do(reader, group)


def _case(reader: _Reader) -> Group:
    group = Group("case")
    reader.blanks()
    group.words.append(reader.word())
    reader.skip()
    if reader.peek() != "in":
        raise Unparsable("`in` is missing")
    reader.pos += 2
    while True:
        reader.skip()
        if reader.peek() == "esac":
            reader.pos += 4
            return group
        _patterns(reader)
        group.scripts.append(reader.script())
        reader.skip()
        for token in (";;&", ";;", ";&"):
            if reader.at(token):
                reader.pos += len(token)
                break
        else:
            if reader.peek() != "esac":
                raise Unparsable("`esac` is missing")


def _patterns(reader: _Reader) -> None:
    """`a | b)`, with or without a bracket before it."""
    if reader.at("("):
        reader.pos += 1
    while not reader.at(")"):
        reader.blanks()
        if reader.at("|"):
            reader.pos += 1
        elif not reader.at(")"):
            reader.word()
    reader.pos += 1


def _test(reader: _Reader) -> Group:
    group = Group("[[")
    while True:
        reader.skip()
        if reader.peek() == "]]" or reader.at("]]"):
            reader.pos += 2
            return group
        if reader.pos >= len(reader.text):
            raise Unparsable("`]]` is missing")
        if reader.text[reader.pos] in "<>()&|;" and not reader._proc():
            reader.pos += 1
        else:
            group.words.append(reader.word())


def _named_function(reader: _Reader) -> Function:
    reader.blanks()
    name = reader.word().bare or ""
    reader.blanks()
    found = re.compile(r"\([ \t]*\)").match(reader.text, reader.pos)
    if found:
        reader.pos = found.end()
    return reader._function(name)


_COMPOUNDS: dict[str, Callable[[_Reader], Group | Function]] = {
    "if": _if,
    "while": _while,
    "until": _while,
    "for": _for,
    "select": _for,
    "case": _case,
    "[[": _test,
    "function": _named_function,
    "{": lambda reader: reader._bracketed("{", "}"),
}
