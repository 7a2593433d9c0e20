"""Follows a parsed command as a shell would, and lists every program call that it would make.

Runs nothing. Branches are all taken, loops once for each value that is known. What only running
tells (what a program prints, where a script of its own branches) is not seen.
"""

from __future__ import annotations

import contextlib
import os

import hidden
import listings
import prefixes
from calls import Call, Feed
from expand import UNKNOWN, Expander, Scope
from shell import Unparsable, parse
from syntax import Function, Group, Pipe, Script, Simple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from syntax import Node, Redirect

SHELLS = frozenset("bash sh dash zsh ksh ash mksh fish rbash".split())
_MOST_CALLS = 4000
_MOST_NESTED = 12
_MOST_TURNS = 24
_INPUT = ("<", "<>", "<&")
_UNKNOWN_NAME = "${_unknown_to_the_guard}"
DYNAMIC = "the guard cannot see which command this is: write its name plainly"
PIPED = "what is piped into a shell cannot be checked: write the command plainly"


class Walker:
    """Collects `calls` in order; `complaints` are what cannot be followed."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.complaints: list[str] = []
        self.nested = 0
        self.loose = 0
        self._made: dict[int, Call] = {}  # by the node that it stands for

    def text(self, text: str, scope: Scope, feed: Feed | None = None) -> None:
        """Follows a command's text; what does not parse inside another is a complaint."""
        if self.nested >= _MOST_NESTED:
            self.complaints.append("nested too deep: write it plainly")
            return
        self.nested += 1
        try:
            self.script(parse(text.replace(UNKNOWN, _UNKNOWN_NAME)), scope, feed or Feed())
        except Unparsable:
            if not self.loose:
                self.complaints.append("the inner command does not parse: write it plainly")
        finally:
            self.nested -= 1

    def script(self, script: Script, scope: Scope, feed: Feed) -> None:
        before: Scope | None = None
        previous = ""
        for node, op in script.items:
            if previous == "&&" and before is None:
                before = scope.copy()
            scope.maybe += previous == "||"
            self._node(node, scope.copy() if op == "&" else scope, feed)
            scope.maybe -= previous == "||"
            if op != "&&" and before is not None:
                _merge(scope, before)
                before = None
            previous = op

    def _node(self, node: Node, scope: Scope, feed: Feed) -> None:
        if len(self.calls) > _MOST_CALLS:
            raise Unparsable("too much to follow")
        if isinstance(node, Simple):
            self._simple(node, scope, feed)
        elif isinstance(node, Pipe):
            self._pipe(node, scope, feed)
        elif isinstance(node, Function):
            scope.functions[node.name] = node
        else:
            self._group(node, scope, feed)

    def _pipe(self, pipe: Pipe, scope: Scope, feed: Feed) -> None:
        stages = [self._peeked(node, scope) for node in pipe.nodes]
        printed: str | None = None
        for index, node in enumerate(pipe.nodes):
            inner = feed.copy()
            inner.downstream = stages[index + 1 :] + feed.downstream
            inner.to_file = feed.to_file and index == len(pipe.nodes) - 1
            if index:
                inner.fed, inner.text, inner.sources = True, printed, []
            self._node(node, scope.copy(), inner)
            printed = self._printed(node)

    def _printed(self, node: Node) -> str | None:
        """What a command that was just followed prints, where that is known."""
        node = node.nodes[-1] if isinstance(node, Pipe) else node
        made = self._made.get(id(node)) if isinstance(node, Simple) else None
        if made is None or made.writes or (made.argv[:1] and made.argv[0] in made.scope.functions):
            return None
        return listings.printed(made.argv, made.then, made.feed.text)

    def _peeked(self, node: Node, scope: Scope) -> list[str]:
        """The words of a later stage, without following it."""
        while isinstance(node, Group) and node.scripts and node.scripts[0].items:
            node = node.scripts[0].items[0][0]
        if not isinstance(node, Simple):
            return []
        expander = Expander(scope.copy(), lambda _: None)
        return [field for word in node.words for field in expander.fields(word)]

    def _group(self, group: Group, scope: Scope, feed: Feed) -> None:
        inner = scope.copy() if group.kind == "(" else scope
        expander = self._expander(inner)
        feed = feed.copy()
        writes = self._redirect(group.redirects, expander, feed)
        if writes:
            call = Call([], inner, feed)
            call.writes = writes
            self._add(call)
        values = [field for word in group.words for field in expander.fields(word)]
        branching = group.kind in ("if", "while", "for", "case")
        inner.maybe += branching
        if group.kind == "for" and not values:
            values = list(inner.positional)
        for turn in _turns(values) if group.kind == "for" else [[]]:
            if group.name:
                inner.vars[group.name] = turn or [UNKNOWN]
            for script in group.scripts:
                before = inner.copy()
                self.script(script, inner, feed)
                if branching:
                    _merge(inner, before)
        inner.maybe -= branching

    def _expander(self, scope: Scope) -> Expander:
        return Expander(scope, lambda script: self._substituted(script, scope))

    def _substituted(self, script: Script, scope: Scope) -> str | None:
        """Follows `$( )`; what it prints, where that is known."""
        self.nested += 1
        if self.nested >= _MOST_NESTED:
            raise Unparsable("nested too deep")
        self.script(script, scope.copy(), Feed())
        self.nested -= 1
        return self._printed(script.items[0][0]) if len(script.items) == 1 else None

    def _redirect(self, redirects: list[Redirect], expander: Expander, feed: Feed) -> list[str]:
        """The files that are opened for writing; notes in `feed` what is read and hidden."""
        writes: list[str] = []
        for redirect in redirects:
            if redirect.op in ("<<", "<<<"):
                feed.text = "".join(expander.text(redirect.target)[:1])
                feed.fed, feed.sources = False, []
                continue
            targets = expander.fields(redirect.target)
            if redirect.op.endswith("&") and all(
                target.rstrip("-").isdigit() or target == "-" for target in targets
            ):
                continue
            if redirect.op in _INPUT:
                feed.sources, feed.fed = targets, False
                feed.text = _read(targets, expander.scope)
            if redirect.op not in ("<", "<&"):
                writes += targets
                feed.to_file = feed.to_file or redirect.fd in ("", "1")
        return writes

    def _simple(self, node: Simple, scope: Scope, feed: Feed) -> None:
        expander = self._expander(scope)
        feed = feed.copy()
        assigned = {
            name: [value for word in words for value in expander.text(word)] or [""]
            for name, words in node.assigns
        }
        writes = self._redirect(node.redirects, expander, feed)
        heads = expander.choices(node.words[0]) if node.words else [[]]
        rest = [field for word in node.words[1:] for field in expander.fields(word)]
        if not node.words:
            for name, values in assigned.items():
                scope.assign(name, values)
        for head in heads:
            call = Call([*head, *rest], scope, feed)
            call.writes = writes
            call.assigned = assigned
            call.literal = _is_literal(node)
            self._made[id(node)] = call
            self.call(call)

    def call(self, call: Call) -> None:
        """Follows one call: through its prefixes, into functions, shells and scripts."""
        prefixes.unwrap(call)
        self._add(call)
        if not call.argv:
            return
        if UNKNOWN in call.argv[0] and not call.loose:
            self.complaints.append(DYNAMIC)
        if self.nested >= _MOST_NESTED:
            return
        _remember_files(call)
        self._enter(call)
        self.loose += 1  # it may be text after all
        for inner in hidden.commands(call):
            self._inner(inner, call)
        self.loose -= 1

    def _add(self, call: Call) -> None:
        call.loose = self.loose > 0
        call.then = call.scope.copy()
        call.then.links = dict(call.scope.links)
        self.calls.append(call)

    def _enter(self, call: Call) -> None:
        name, scope, argv = call.name, call.scope, call.argv
        if argv[0] in scope.functions:
            self._function(call)
        elif argv[0] in scope.aliases:
            self.text(" ".join([scope.aliases[argv[0]], *map(_quoted, argv[1:])]), scope, call.feed)
        elif name in SHELLS:
            self._shell(call)
        elif name in ("source", "."):
            self._file(argv[1:2], scope, argv[2:] or scope.positional, call.feed)
        elif name == "eval":
            self._eval(call)
        elif name == "trap" and len(argv) > 2:
            self.text(next((word for word in argv[1:] if word != "--"), ""), scope)
        elif name in _CHANGING:
            _CHANGING[name](call)
        elif not self._script(call):
            for inner in prefixes.inner_calls(call):
                self._inner(inner, call)

    def _script(self, call: Call) -> bool:
        """Follows a script that is started by its name, with what its first line names."""
        name = call.argv[0]
        if name.endswith(("agent-loops", ".agent-loops/run")):
            return False  # judged by its words
        text = _read([name], call.scope) if "/" in name else None
        if text is None:
            return False
        words = text[2:].partition("\n")[0].split() if text.startswith("#!") else []
        if not words and not any(path in call.scope.files for path in call.scope.absolute(name)):
            return False  # a program, or a script that bash refuses to start
        words = words or ["sh"]
        self.loose += 1
        self._inner([*words, *call.argv], call)
        self.loose -= 1
        return True

    def _inner(self, inner: list[str] | str, call: Call) -> None:
        self.nested += 1
        if isinstance(inner, str):
            self.text(inner, call.scope.copy(), call.feed)
        elif inner:
            made = Call(inner, call.scope, call.feed)
            made.assigned, made.cleared = dict(call.assigned), list(call.cleared)
            self.call(made)
        self.nested -= 1

    def _function(self, call: Call) -> None:
        if self.nested >= _MOST_NESTED - 2:
            return  # it calls itself: it was followed often enough
        scope, self.nested = call.scope, self.nested + 1
        before, scope.positional = scope.positional, call.argv[1:]
        self._node(scope.functions[call.argv[0]].body, scope, call.feed)
        scope.positional = before
        self.nested -= 1

    def _eval(self, call: Call) -> None:
        text = " ".join(call.argv[1:])
        if UNKNOWN in text and not call.loose:
            self.complaints.append(DYNAMIC)
        self.text(text, call.scope, call.feed)

    def _shell(self, call: Call) -> None:
        inner = call.scope.copy()
        for name, values in call.assigned.items():
            inner.vars[name] = values
        code, words = _shell_words(call.argv)
        if code is not None:
            inner.positional = words[1:]
            inner.vars["0"] = words[:1] or ["bash"]
            if UNKNOWN in code and not code.strip(UNKNOWN + " \n") and not call.loose:
                self.complaints.append(DYNAMIC)
            self.text(code, inner, call.feed)
        elif words:
            if UNKNOWN in words[0] and not call.loose:
                self.complaints.append(PIPED)
            self._file(words[:1], inner, words[1:], call.feed)
        elif call.feed.fed and not call.loose:
            self.complaints.append(PIPED)
        elif call.feed.text is not None:
            self.text(call.feed.text, inner)

    def _file(self, names: list[str], scope: Scope, positional: list[str], feed: Feed) -> None:
        """Follows a script of a file, which may be any: a name it does not know is no complaint."""
        text = _read(names, scope)
        if names and UNKNOWN in names[0] and not self.loose:
            self.complaints.append(PIPED)
        if text is None:
            return
        before, scope.positional = scope.positional, positional
        self.loose += 1
        with contextlib.suppress(Unparsable):
            self.text(text, scope, feed)
        self.loose -= 1
        scope.positional = before


def _is_literal(node: Simple) -> bool:
    """Whether bash would expand nothing in its words and its input."""
    here = [item for item in node.redirects if item.op in ("<<", "<<<")]
    words = [*node.words, *(item.target for item in here)]
    if any(item.op == "<<" and not item.quoted for item in here):
        return False
    return all(word.is_literal for word in words)


def _remember_files(call: Call) -> None:
    """What a later part of the command may run: a script that this one writes."""
    names = [*call.writes, *(call.argv[1:] if call.name == "tee" else [])]
    if not names:
        return
    text = call.feed.text if call.name == "tee" else None
    text = text or listings.printed(call.argv, call.then, call.feed.text)
    for path in [path for name in names for path in call.then.absolute(name)]:
        call.scope.files[path] = call.scope.files.get(path, "") + (text or "")


def _turns(values: list[str]) -> list[list[str]]:
    if not values:
        return [[UNKNOWN]]
    if len(values) > _MOST_TURNS:
        return [values]
    return [[value] for value in values]


def _merge(scope: Scope, before: Scope) -> None:
    """What may have been left out keeps the earlier values possible."""
    scope.cwds = list(dict.fromkeys([*scope.cwds, *before.cwds]))[:_MOST_TURNS]
    for name, values in before.vars.items():
        now = scope.vars.get(name, [])
        if now is not values:
            scope.vars[name] = list(dict.fromkeys([*now, *values]))[:_MOST_TURNS]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _read(names: list[str], scope: Scope) -> str | None:
    return next((text for name in names if (text := scope.read(name)) is not None), None)


def _shell_words(argv: list[str]) -> tuple[str | None, list[str]]:
    """The text of `-c`, or None; and the words behind it, or the file and its words."""
    index, code = 1, False
    while index < len(argv) and argv[index][:1] in ("-", "+") and len(argv[index]) > 1:
        word = argv[index]
        index += 1
        if word == "--":
            break
        if word in ("--rcfile", "--init-file", "-o", "+o", "-O", "+O"):
            index += 1
        elif not word.startswith("--"):
            code = code or "c" in word
            index += word.endswith("o")
    words = argv[index:]
    return (words[0], words[1:]) if code and words else (None, words)


def _change_folder(call: Call) -> None:
    scope = call.scope
    words = [word for word in call.argv[1:] if word not in ("-P", "-L", "-e", "--")]
    if call.name == "popd" or words[:1] == ["-"]:
        scope.cwds = list(dict.fromkeys([*scope.cwds, *scope.values("OLDPWD")]))
        return
    if not words:
        words = [os.path.expanduser("~")]
    found = [place for word in words[:_MOST_TURNS] if word for place in scope.absolute(word)]
    sure = all(os.path.isdir(place) for place in found) and not scope.maybe
    scope.vars["OLDPWD"] = list(scope.cwds)
    scope.cwds = list(dict.fromkeys(found if sure else [*found, *scope.cwds]))[:_MOST_TURNS]


def _declare(call: Call) -> None:
    scope, text = call.scope, call.feed.text
    for word in call.argv[1:]:
        name, equals, value = word.partition("=")
        if call.name == "alias":
            scope.aliases[name] = value
        elif call.name in ("read", "mapfile", "readarray"):
            if not word.startswith("-"):
                scope.vars[word] = text.split("\n") if text is not None else [UNKNOWN]
        elif call.name == "unset":
            scope.vars[word] = [""]
            scope.functions.pop(word, None)
        elif equals:
            scope.assign(name, [value])


def _link(call: Call) -> None:
    """Remembers a link made in this command, through which a later part may write."""
    words = [word for word in call.argv[1:] if not word.startswith("-")]
    if len(words) < 2:
        return
    symbolic = any("s" in word for word in call.argv[1:] if word.startswith("-"))
    for link in call.scope.absolute(words[-1]):
        for word in words[:-1]:
            base = os.path.dirname(link) if symbolic else ""
            place = link + "/" + os.path.basename(word) if os.path.isdir(link) else link
            targets = [os.path.join(base, word)] if base else call.scope.absolute(word)
            for target in targets:
                call.scope.links[place] = os.path.normpath(target)


def _print_into(call: Call) -> None:
    if call.argv[1:2] == ["-v"] and len(call.argv) > 3:
        text = listings.printed(["printf", *call.argv[3:]], call.scope, None)
        call.scope.assign(call.argv[2], [UNKNOWN if text is None else text])


def _set(call: Call) -> None:
    if "--" in call.argv:
        call.scope.positional = call.argv[call.argv.index("--") + 1 :]


_DECLARING = "export declare typeset local readonly unset read mapfile readarray alias".split()
_CHANGING: dict[str, Callable[[Call], None]] = {
    **dict.fromkeys(("cd", "pushd", "popd", "chdir"), _change_folder),
    **dict.fromkeys(_DECLARING, _declare),
    "set": _set,
    "printf": _print_into,
    "ln": _link,
}
