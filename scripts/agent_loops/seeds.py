"""Says whose a seed is, whether a change may concern one, and whether sharing seeds pays.

Reads no syntax, so that a `try` whose idea touches no seed pays nothing: that is `reseeding`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence

VARIABLE = "AGENT_LOOPS_SEED"
SAME_DRAW = (
    "all readings of one code are the same draw, so a gain may be the luck of that seed, and no "
    "repeat shows it"
)
_PLACEHOLDER = r"(?<!\$)\{seed\}"
_LEAST_PAIRS = 8
_Z = 1.645  # one-sided 95%

_WORD = r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+"
_SEED_WORDS = frozenset({"seed", "pythonhashseed"})
# What may stand beside "seed" in the name of one; `num_seeds` or `seed_text` are something else.
_BESIDE = frozenset(
    "agent base cuda data default env fixed generator global gpu init initial jax keras loader "
    "loops main manual master model my np numpy noise py python rand random rng root run sampler "
    "shuffle split state tf the torch train training value worker".split()
)
# A line of numbers alone may be the argument of a call that begins further up.
_HINT = (
    rb"(?i)seed|\brngs?\b|random_?state|prngkey|random\.key|\brandom\(|default_rng|philox|pcg64"
    rb"|mt19937|sfc64|^[\s\d()\[\],.:_+-]*\d[\s\d()\[\],.:_+-]*$"
)


def is_seed_name(name: str) -> bool:
    """Whether a variable, option or key of this name holds a seed, as far as names tell."""
    words = [word.lower() for word in re.findall(_WORD, name)]
    if words == ["random", "state"]:
        return True
    return bool(_SEED_WORDS.intersection(words)) and _BESIDE.union(_SEED_WORDS).issuperset(words)


def may_concern(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> bool:
    """Whether a changed line looks as if it held a seed; cheap, and no judgement."""
    for path in before.keys() | after.keys():
        old, new = before.get(path, b""), after.get(path, b"")
        if old != new:
            changed = set(old.splitlines()) ^ set(new.splitlines())
            hint = re.compile(_HINT)
            if any(map(hint.search, changed)):
                return True
    return False


def is_given(command: str) -> bool:
    """Whether a command takes the run's seed: `{seed}`, or the variable by its name."""
    return bool(re.search(_PLACEHOLDER, command)) or VARIABLE in command


def is_read(sources: Iterable[bytes]) -> bool:
    """Whether a source reads the run's seed from the environment."""
    return any(VARIABLE.encode() in source for source in sources)


def mend(number: str) -> str:
    """The one line that hands a hard-coded seed over to the harness."""
    return (
        f'put `int(os.environ.get("{VARIABLE}", {number or 0}))` there before the baseline, or '
        "`{seed}` into run_cmd: each run is given its own"
    )


def sharing_helps(pairs: Sequence[Sequence[tuple[float, float]]]) -> bool:
    """Whether candidate and reference are better run under one seed than under two.

    The difference of two readings has variance s1² + s2² - 2·rho·s1·s2, where rho is their
    correlation: with rho > 0 sharing helps, with rho = 0 it costs nothing, and only with rho < 0
    does it harm. So sharing goes on until rho < 0 is shown: Fisher's z of the correlation within
    experiments, atanh r, has variance 1 / (nu - 2) with nu = sum(n - 1) over the experiments (one
    experiment of n pairs gives the usual 1 / (n - 3)), and its upper 95% bound must be under 0.

    Args:
        pairs: of each experiment its (candidate, reference) readings under a shared seed, in
            metric units; levels of different experiments are never compared.
    """
    deviations = [
        (x - sum(a for a, _ in group) / len(group), y - sum(b for _, b in group) / len(group))
        for group in pairs
        for x, y in group
    ]
    nu = len(deviations) - sum(1 for group in pairs if group)
    sxx, syy = sum(x * x for x, _ in deviations), sum(y * y for _, y in deviations)
    scale = math.sqrt(sxx) * math.sqrt(syy)
    if len(deviations) < _LEAST_PAIRS or nu <= 2 or not scale or not math.isfinite(scale):
        return True
    r = sum(x * y for x, y in deviations) / scale
    z = math.atanh(max(-1 + 1e-12, min(1 - 1e-12, r)))
    return z + _Z / math.sqrt(nu - 2) > 0
