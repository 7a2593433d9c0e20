"""Reads Python code for what it writes, starts and executes; other languages for names alone.

Runs nothing, and follows values through simple assignments only. Code that builds its names at run
time is not seen: the engine's digests catch what it changes, and `eval_cmd` what it measures.
"""

from __future__ import annotations

import ast
import os
import re
import warnings

from expand import UNKNOWN

_MOST_VALUES = 12
_METHODS = frozenset(
    "write_text write_bytes unlink rmdir touch chmod lchmod rename symlink_to hardlink_to link_to "
    "mkdir".split()
)
_FIRST = frozenset(
    "remove unlink rmdir removedirs truncate chmod chown utime mkfifo mknod rmtree makedirs mkdir "
    "lchown setxattr".split()
)
_SECOND = frozenset("copy copy2 copyfile copytree copymode copystat symlink link".split())
_BOTH = frozenset("rename renames replace move".split())
_SAVERS = frozenset(
    "savefig to_csv to_json to_parquet to_pickle to_excel save savez savez_compressed savetxt dump "
    "imsave imwrite write_image write_html write_csv write_parquet FileHandler tofile "
    "save_file save_model basicConfig RotatingFileHandler NamedTemporaryFile copyfileobj".split()
)
_STARTERS = frozenset(
    "system popen run call check_call check_output Popen getoutput getstatusoutput spawn "
    "create_subprocess_shell create_subprocess_exec startfile posix_spawn".split()
)
_EXECS = re.compile(r"(exec|spawn)[lv]p?e?\Z")
_OPENERS = frozenset(("io", "os", "codecs", "gzip", "bz2", "lzma", "builtins", "tarfile"))
_PATHS = frozenset(
    "Path PurePath PosixPath abspath realpath expanduser expandvars normpath fspath str resolve "
    "absolute as_posix strip format".split()
)
_LISTS = frozenset("glob iglob rglob iterdir listdir scandir walk".split())
_STRING = re.compile(r"""(?:'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)")""")
_WRITING = re.compile(
    r"""["'(]\s*\+?>|>\s*["'$]|writ|unlink|renam|append|system|exec|truncat|copy|remov|delet|spawn"""
    r"""|\brm\b|\bmv\b|["'][wa]\+?b?["']|chmod|put_contents|save|sink|cat\(|qx|`"""
)


class Code:
    """What a piece of code would do; a target that is not known holds UNKNOWN."""

    def __init__(self) -> None:
        self.writes: list[str] = []
        self.trees: list[str] = []
        self.commands: list[str | list[str]] = []
        self.files: list[str] = []  # executed
        self.modules: list[str] = []  # imported or run
        self.names: list[str] = []  # every text in it
        self.folders: list[str] = []  # that it changes into
        self.dumps: list[str] = []  # files that it prints as they are
        self.is_blind = False  # it writes, or may write, where the reader cannot tell


def read_python(text: str) -> Code:
    """What Python code does; where it does not parse, only names and a guess."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape is no matter of ours
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return read_other(text)
    reader = _Reader()
    reader.visit(tree)
    return reader.code


def read_other(text: str) -> Code:
    """The texts in code of any language, and whether it seems to write."""
    code = Code()
    code.names = [first or second for first, second in _STRING.findall(text)]
    code.names += [name for name in re.findall(r"[\w./~-]+", text) if "/" in name or "." in name]
    code.is_blind = bool(_WRITING.search(text))
    return code


class _Reader(ast.NodeVisitor):
    def __init__(self) -> None:
        self.code = Code()
        self.values: dict[str, list[str]] = {}
        self.renamed: dict[str, str] = {}

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and len(node.value) < 1000:
            self.code.names.append(node.value)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        self.code.names += self._fold(node)
        self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        self.code.modules += [alias.name for alias in node.names]
        self._rename(node.names)

    def _rename(self, names: list[ast.alias]) -> None:
        self.renamed.update({item.asname: item.name for item in names if item.asname})

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self.code.modules.append(node.module or "")
        self._rename(node.names)
        self.code.modules += [f"{node.module or ''}.{alias.name}" for alias in node.names]

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        for target in node.targets:
            self._bind(target, node.value)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.generic_visit(node)
        self._bind(node.target, node.value)

    def visit_For(self, node: ast.For) -> None:
        self._bind_items(node.target, node.iter)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self._bind_items(node.target, node.iter)
        self.generic_visit(node)

    def visit_ListComp(self, node: ast.ListComp) -> None:
        self._comprehended(node)

    def visit_SetComp(self, node: ast.SetComp) -> None:
        self._comprehended(node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self._comprehended(node)

    def _comprehended(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> None:
        for generator in node.generators:
            self.visit(generator)
        self.visit(node.elt)

    def _bind(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            if isinstance(value, ast.Attribute):  # r = os.remove
                self.renamed[target.id] = value.attr
            if isinstance(value, ast.Call) and _name_of(value.func) == "getattr":
                self.renamed[target.id] = "".join(self._args(value, 1)[:1])
            found = self._fold(value)
            self.code.names += [text for text in found if UNKNOWN not in text]
            self.values[target.id] = (self.values.get(target.id, []) + found)[-_MOST_VALUES:]

    def _bind_items(self, target: ast.expr, source: ast.expr) -> None:
        names = [item for item in ast.walk(target) if isinstance(item, ast.Name)]
        if isinstance(source, (ast.List, ast.Tuple, ast.Set)):
            found = [text for item in source.elts for text in self._fold(item)]
        else:
            found = self._fold(source)
        for name in names:
            self.values[name.id] = found[:_MOST_VALUES]

    def visit_Call(self, node: ast.Call) -> None:
        name = self._name(node.func)
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        self._judge(node, name, owner)
        self.generic_visit(node)

    def _judge(self, node: ast.Call, name: str, owner: ast.expr | None) -> None:
        code, module = self.code, self._name(owner) if isinstance(owner, ast.Name) else ""
        if name == "open" or (name == "File" and owner is not None):
            self._opened(node, owner)
        elif name in _METHODS and owner is not None and module not in ("os", "shutil"):
            code.trees += self._fold(owner)
            if name == "rename":
                code.trees += self._args(node, 0)
        elif name == "replace" and len(node.args) == 1 and owner is not None:
            code.trees += self._fold(owner) + self._args(node, 0)
        elif name in _FIRST:
            code.trees += self._args(node, 0)
        elif name in _SECOND:
            code.writes += self._args(node, 1)
        elif name in _BOTH and len(node.args) == 2 and module in ("os", "shutil", ""):
            code.trees += self._args(node, 0) + self._args(node, 1)
        elif name in _SAVERS:
            self._saved(node)
        else:
            self._judge_start(node, name, module)

    def _name(self, function: ast.expr) -> str:
        name = _name_of(function)
        return self.renamed.get(name, name) if isinstance(function, ast.Name) else name

    def _judge_start(self, node: ast.Call, name: str, module: str) -> None:
        if name in _STARTERS or (_EXECS.match(name) and module == "os"):
            self._started(node, name)
        else:
            self._executed(node, name)

    def _opened(self, node: ast.Call, owner: ast.expr | None) -> None:
        module = owner.id if isinstance(owner, ast.Name) else ""
        of_module = owner is None or module in _OPENERS
        place = 1 if of_module else 0
        modes = [keyword.value for keyword in node.keywords if keyword.arg in ("mode", "flags")]
        modes += node.args[place : place + 1]
        target = self._args(node, 0, "file") if of_module else self._fold(owner or node)
        for mode in modes:
            if module == "os":
                if ast.dump(mode).find("O_RDONLY") < 0 or isinstance(mode, ast.BinOp):
                    self.code.writes += target
            elif any(UNKNOWN in text or set(text) & set("wax+") for text in self._fold(mode)):
                self.code.writes += target

    def _saved(self, node: ast.Call) -> None:
        found = [text for item in node.args for text in self._fold(item)]
        for keyword in node.keywords:
            if keyword.arg in ("filename", "fname", "path", "path_or_buf", "fp", "f", "file"):
                found += self._fold(keyword.value)
        self.code.writes += [text for text in found if UNKNOWN not in text or text.strip(UNKNOWN)]

    def _started(self, node: ast.Call, name: str) -> None:
        if not node.args:
            return
        first = node.args[0]
        if _EXECS.match(name) or name in ("create_subprocess_exec", "posix_spawn"):
            lists = [item.elts if isinstance(item, (ast.List, ast.Tuple)) else [item]
                     for item in node.args]  # fmt: skip
            words = [text for items in lists for item in items for text in self._fold(item)]
            self.code.commands.append(words[1:] if len(words) > 1 else words)
        elif isinstance(first, (ast.List, ast.Tuple)):
            words = []
            for item in first.elts:
                words += self._fold(item)
            self.code.commands.append(words)
        else:
            self.code.commands += list(self._fold(first))

    def _executed(self, node: ast.Call, name: str) -> None:
        code = self.code
        if name in ("exec", "eval", "compile") and node.args:
            for text in self._fold(node.args[0]):
                if UNKNOWN in text:
                    code.is_blind = code.is_blind or not _opens(node.args[0])
                else:
                    _extend(code, read_python(text))
            code.files += [
                text
                for item in ast.walk(node.args[0])
                if isinstance(item, ast.Call)
                and _name_of(item.func) in ("open", "read_text", "Path")
                for text in self._args(item, 0)
            ]
        elif name in ("run_path", "execfile", "runfile", "exec_module", "spec_from_file_location"):
            code.files += [text for item in node.args for text in self._fold(item)]
        elif name in ("run_module", "import_module", "__import__"):
            code.modules += self._args(node, 0)
        elif name == "input" and any(item.arg == "inplace" for item in node.keywords):
            code.writes += self._args(node, 0) + self._args(node, 0, "files")
        elif name == "chdir":
            code.folders += self._args(node, 0)
        elif name == "print" and node.args:
            self._printed(node.args[0])
        elif not name or name in ("CDLL", "mmap"):  # getattr(os, NAME)(…) has no name
            code.is_blind = True

    def _printed(self, shown: ast.expr) -> None:
        """`print(open(F).read())`, with nothing that shortens it."""
        if isinstance(shown, ast.Call) and _name_of(shown.func) in ("read", "read_text"):
            for item in ast.walk(shown):
                if isinstance(item, ast.Call) and _name_of(item.func) in ("open", "Path"):
                    self.code.dumps += self._args(item, 0)

    def _args(self, node: ast.Call, place: int, keyword: str = "") -> list[str]:
        if len(node.args) > place:
            item = node.args[place]
            if isinstance(item, (ast.List, ast.Tuple)):
                return [text for one in item.elts for text in self._fold(one)]
            return self._fold(item)
        return [
            text for item in node.keywords if item.arg == keyword for text in self._fold(item.value)
        ]

    def _fold(self, node: ast.expr) -> list[str]:
        """The texts that an expression may be; UNKNOWN for what is not known of it."""
        if isinstance(node, ast.Constant):
            value = node.value
            if isinstance(value, bytes):
                return [value.decode("latin-1")]
            return [str(value)] if isinstance(value, (str, int)) else [UNKNOWN]
        if isinstance(node, ast.Name):
            return self.values.get(node.id) or [UNKNOWN]
        if isinstance(node, ast.JoinedStr):
            return self._joined([*node.values], "")
        if isinstance(node, ast.FormattedValue):
            return self._fold(node.value)
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Div)):
            between = "/" if isinstance(node.op, ast.Div) else ""
            return self._joined([node.left, node.right], between)
        if isinstance(node, ast.Attribute):
            parents = [os.path.dirname(text) for text in self._fold(node.value)]
            return parents if node.attr == "parent" else [UNKNOWN]
        if isinstance(node, ast.Subscript):
            return self._fold(node.value) if isinstance(node.value, ast.Name) else [UNKNOWN]
        return self._folded_call(node) if isinstance(node, ast.Call) else [UNKNOWN]

    def _folded_call(self, node: ast.Call) -> list[str]:
        name = self._name(node.func)
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        if name in ("join", "joinpath", "Path", "PurePath", "with_name") and len(node.args) > 1:
            return self._joined([*node.args], "/")
        if name == "join" and owner is not None and node.args:
            between, items = self._fold(owner), node.args[0]
            if isinstance(items, (ast.List, ast.Tuple)):
                return self._joined([*items.elts], between[0])
        if name == "joinpath" and owner is not None:
            return self._joined([owner, *node.args], "/")
        if name in ("home", "cwd", "getcwd"):
            return [os.path.expanduser("~") if name == "home" else "."]
        if name == "chr" and node.args:
            return [chr(int(text)) for text in self._args(node, 0) if text.isdigit()] or [UNKNOWN]
        if name in _LISTS:
            return self._listed(node, owner)
        if name in _PATHS:
            return self._args(node, 0) if node.args else self._fold(owner) if owner else ["."]
        if name in ("sorted", "list", "reversed", "set", "enumerate", "tuple") and node.args:
            return self._args(node, 0)
        return [UNKNOWN]

    def _listed(self, node: ast.Call, owner: ast.expr | None) -> list[str]:
        of_module = isinstance(owner, ast.Name) and owner.id in ("glob", "os", "Path")
        folders = self._args(node, 0) if of_module or owner is None else self._fold(owner)
        name = _name_of(node.func)
        if name == "listdir":
            return ["*"]
        if name in ("glob", "iglob", "rglob") and not of_module and owner is not None:
            patterns = self._args(node, 0)
            between = "/**/" if name == "rglob" else "/"
            return [f"{text}{between}{pattern}" for text in folders for pattern in patterns]
        return folders if name in ("glob", "iglob") else [f"{text}/**" for text in folders]

    def _joined(self, nodes: list[ast.expr], between: str) -> list[str]:
        found: list[str] = []
        for index, node in enumerate(nodes):
            texts = self._fold(node)
            if not index:
                found = texts
                continue
            found = [
                after if between == "/" and after.startswith("/") else head + between + after
                for head in found
                for after in texts
            ][:_MOST_VALUES]
        return found or [""]


def _name_of(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _opens(node: ast.expr) -> bool:
    return any(
        isinstance(item, ast.Call) and _name_of(item.func) in ("open", "read_text", "read_bytes")
        for item in ast.walk(node)
    )


def _extend(code: Code, other: Code) -> None:
    for name, value in vars(other).items():
        mine = getattr(code, name)
        setattr(code, name, mine + value if isinstance(mine, list) else mine or value)
