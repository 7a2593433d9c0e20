"""Knows how Python code states, makes and passes on a seed: the names and the forms of it.

Looks at one expression at a time, without running it; what only the program knows is not seen.
"""

from __future__ import annotations

import ast
import re

from agent_loops import seeds

# Calls that set a random stream, and that make one, by the last part of their name.
_SETS = frozenset(
    "manual_seed manual_seed_all seed_everything set_seed set_random_seed set_global_seed".split()
)
_MAKES = frozenset(
    "default_rng RandomState PRNGKey SeedSequence Philox PCG64 PCG64DXSM MT19937 SFC64 Random "
    "Rngs Generator key".split()
)
_OF_RANDOM_ALONE = frozenset({"Random", "key", "Generator"})  # words with other meanings too
_RANDOM = frozenset("random rand rng jr jrandom jrand mx paddle cuda".split())
_DECLARES = re.compile(
    r"(?:^|\.)(?:add_argument|add_option|option|Option|Argument|argument|getenv|get|getattr"
    r"|setdefault|DEFINE_integer|pop)$"
)
# What a seed may be computed by without being anything but a seed.
_PASSES_ON = frozenset("int str abs hash os.environ.get environ.get os.getenv getenv".split())
_COMPUTES = _PASSES_ON.union(
    "os.getpid time.time time.time_ns time.perf_counter_ns os.urandom int.from_bytes "
    "random.randint random.randrange".split()
)
# The data's split is to be the same in every run, so its seed is well hard-coded.
_SPLITS = re.compile(r"(?i)split|fold")


def dotted(node: ast.expr) -> str:
    """`torch.manual_seed`; of what is called on a call only the last part, with a dot before it."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def sets_stream(name: str) -> bool:
    """Whether a call of this name sets a random stream of a known library's and does no more."""
    before, _, last = name.rpartition(".")
    if last == "seed":
        return not before or before.rpartition(".")[2] in _RANDOM
    return last in _SETS


def makes_stream(name: str) -> bool:
    """Whether a call of this name makes a random stream out of a seed."""
    before, _, last = name.rpartition(".")
    if last in _OF_RANDOM_ALONE:
        return before.rpartition(".")[2] in _RANDOM
    return last in _MAKES


def is_own_seeder(name: str) -> bool:
    """Whether a function of the project's goes by such a name: `set_all_seeds`, `init_seeds`."""
    words = re.split(r"_", name.rpartition(".")[2].lower())
    verbs = {"set", "fix", "init", "initialize", "reset", "setup", "all", "everything"}
    return any(word in ("seed", "seeds") for word in words) and seeds.is_seed_name(
        "_".join("seed" if word == "seeds" else word for word in words if word not in verbs)
    )


def divides_data(name: str) -> bool:
    return bool(_SPLITS.search(name.rpartition(".")[2]))


def declares_seed(name: str, call: ast.Call) -> bool:
    """`add_argument("--seed", …)`, `os.getenv("SEED", …)`."""
    if not _DECLARES.search(name):
        return False
    texts = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
    return any(isinstance(text, str) and seeds.is_seed_name(text) for text in texts)


def names_seed(target: ast.expr) -> bool:
    return seeds.is_seed_name(_name_of(target))


def names_seeds(target: ast.expr) -> bool:
    """`seeds = [1, 2, 3]`; a plain `seeds = 3` is a count."""
    return seeds.is_seed_name(re.sub(r"(?i)(?<=seed)s$", "", _name_of(target)))


def _name_of(target: ast.expr) -> str:
    if isinstance(target, ast.Name):
        return target.id
    if isinstance(target, ast.Attribute):
        return target.attr
    if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
        return str(target.slice.value)
    return ""


def is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def is_number(node: ast.expr) -> bool:
    """A whole number, or arithmetic of such: `2**31 - 1`."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int) and not isinstance(node.value, bool)
    if isinstance(node, ast.UnaryOp):
        return is_number(node.operand)
    return isinstance(node, ast.BinOp) and is_number(node.left) and is_number(node.right)


def is_stated(node: ast.expr) -> bool:
    """A number, None, a few numbers, or a number in quotes, as variables of the system have it."""
    if isinstance(node, (ast.List, ast.Tuple)):
        return bool(node.elts) and all(map(is_number, node.elts))
    if isinstance(node, ast.Constant) and not is_number(node):
        return node.value is None or (isinstance(node.value, str) and node.value.isdigit())
    return is_number(node)


def is_seed(node: ast.expr) -> bool:
    """What is a seed wherever it is given: stated, named so, or read from clock or environment."""
    if is_stated(node):
        return True
    if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
        return names_seed(node)
    if isinstance(node, ast.BinOp):
        sides = (node.left, node.right)
        named = [side for side in sides if is_seed(side) and not is_number(side)]
        return bool(named) and all(map(is_simple, sides))
    return isinstance(node, ast.Call) and is_simple(node)


def is_simple(node: ast.expr) -> bool:
    """Whether computing it does nothing but yield a value."""
    for part in ast.walk(node):
        if isinstance(part, ast.Call) and dotted(part.func) not in _COMPUTES:
            return False
        if isinstance(part, (ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom, ast.Lambda)):
            return False
    return True


def may_vary(node: ast.expr) -> bool:
    """Whether two runs may compute it differently although no variable of the system is set."""
    for part in ast.walk(node):
        if isinstance(part, ast.Call) and dotted(part.func) not in _PASSES_ON:
            return True
        if isinstance(part, ast.BinOp) and not is_number(part):
            return True
    return False


def only_asks(test: ast.expr) -> bool:
    """`torch.cuda.is_available()`, or nothing that is called at all."""
    calls = [part for part in ast.walk(test) if isinstance(part, ast.Call)]
    return all(dotted(call.func).endswith("is_available") for call in calls)
