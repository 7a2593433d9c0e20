"""The tree of a shell command, as `shell` reads it and `walk` follows it.

Values only: what is quoted is marked, nothing is expanded.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Union

    Part = Union["Lit", "Var", "Sub", "Proc", "Arith"]
    Node = Union["Simple", "Pipe", "Group", "Function"]


class Lit:
    """Text; `quoted` text is neither split nor matched against file names."""

    __slots__ = ("quoted", "text")

    def __init__(self, text: str, *, quoted: bool) -> None:
        self.text = text
        self.quoted = quoted


class Var:
    """`$name` or `${name OP arg}`; an OP that is not understood is "?"."""

    __slots__ = ("arg", "name", "op", "quoted")

    def __init__(self, name: str, op: str, arg: Word | None, *, quoted: bool) -> None:
        self.name = name
        self.op = op
        self.arg = arg
        self.quoted = quoted


class Sub:
    """`$( )` or backticks."""

    __slots__ = ("quoted", "script")

    def __init__(self, script: Script, *, quoted: bool) -> None:
        self.script = script
        self.quoted = quoted


class Proc:
    """`<( )` or `>( )`."""

    __slots__ = ("direction", "script")

    def __init__(self, script: Script, direction: str) -> None:
        self.script = script
        self.direction = direction


class Arith:
    """`$(( ))`: a number that is not computed, with what is expanded in it."""

    __slots__ = ("inner",)

    def __init__(self, inner: Word) -> None:
        self.inner = inner


class Word:
    """What becomes one field or more."""

    __slots__ = ("parts",)

    def __init__(self, parts: list[Part]) -> None:
        self.parts = parts

    @property
    def plain(self) -> str | None:
        """Its text, where it is nothing but text."""
        texts = [part.text for part in self.parts if isinstance(part, Lit)]
        return "".join(texts) if len(texts) == len(self.parts) else None

    @property
    def is_literal(self) -> bool:
        """Whether a shell, bash or zsh, leaves it as it is: no variable, file name, brace, home."""
        at_start = True
        for part in self.parts:
            if not isinstance(part, Lit):
                return False
            if not part.quoted:
                text = part.text
                if any(char in text for char in "*?[{^#") or "=~" in text or ":~" in text:
                    return False
                if at_start and text[:1] in ("~", "="):
                    return False
            at_start = False
        return True

    @property
    def bare(self) -> str | None:
        """Its text, where nothing of it is quoted: only then it can be a reserved word."""
        if any(not isinstance(part, Lit) or part.quoted for part in self.parts):
            return None
        return self.plain


class Redirect:
    """`fd` is "" where none is given; a here-document has its body as `target`."""

    __slots__ = ("fd", "op", "quoted", "target")

    def __init__(self, fd: str, op: str, target: Word, *, quoted: bool = False) -> None:
        self.fd = fd
        self.op = op
        self.target = target
        self.quoted = quoted


class Simple:
    """Assignments, words, redirects; any of them may be missing."""

    __slots__ = ("assigns", "redirects", "words")

    def __init__(self) -> None:
        self.assigns: list[tuple[str, list[Word]]] = []
        self.words: list[Word] = []
        self.redirects: list[Redirect] = []


class Pipe:
    """Two commands or more, each fed by the one before."""

    __slots__ = ("nodes",)

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes


class Group:
    """A compound command. `kind` is its first word; `scripts` are its parts in order.

    `words` are a loop's list, a case's subject, a test's operands; `name` a loop's variable.
    """

    __slots__ = ("kind", "name", "redirects", "scripts", "words")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.name = ""
        self.words: list[Word] = []
        self.scripts: list[Script] = []
        self.redirects: list[Redirect] = []


class Function:
    """A definition, which runs nothing yet."""

    __slots__ = ("body", "name")

    def __init__(self, name: str, body: Node) -> None:
        self.name = name
        self.body = body


class Script:
    """Commands in order, each with what ends it: ";", "&", "&&", "||" or "" for the last."""

    __slots__ = ("items",)

    def __init__(self) -> None:
        self.items: list[tuple[Node, str]] = []
