"""Numbers as programs print them: their grammar, units, and the peaks of memory among them.

Knows of no metric; reads no `1_000` and no number with a comma in it, and says so by not matching.
"""

from __future__ import annotations

import math
import re

TYPE_CHECKING = False  # typing's constant, without typing's import
if TYPE_CHECKING:
    from collections.abc import Sequence

_SCALAR_LINES = 100
_SCALARS = 40

# A unit may follow a number; more digits, `_`, `.x` (0.32.ckpt) or `:5` (a clock) may not.
# An integer before a comma and a digit is refused: 1,234 and 0,32 would otherwise read as 1 and 0.
_UNIT_CHAR = rb"(?:[A-Za-z%/]|\xc2\xb5)"
NUMBER = (
    rb"[-+]?(?:(?!\d+,\d)(?:\d{1,400}(?:\.\d{0,400})?|\.\d{1,400})(?:[eE][-+]?\d{1,4})?"
    rb"(?![\d_]|[eE][-+]?\d|\.\w|:\d)(?=" + _UNIT_CHAR + rb"{0,10}(?!\w))"
    rb"|(?:[nN][aA][nN]|[iI][nN][fF](?:[iI][nN][iI][tT][yY])?)(?!\w))"
)
# tensor(0.3, device='cuda:0'), np.float64(0.3), [0.3], "0.3"; a list of several is refused.
WRAPPERS = (
    rb"(?:(?:(?:np|numpy|jnp|torch|tf)\.)?"
    rb"(?:[Tt]ensor|float\d{0,3}|bfloat16|[Aa]rray|DeviceArray|Decimal)?\("
    rb"|<tf\.Tensor[^<>\n]{0,80}numpy=|\[(?=[^],\n]{0,400}\])|[\"'])"
)
SIGN = rb"(?:[:=|]|\xe2\x94\x82|\xe2\x94\x83)"  # the last two are the table rules │ and ┃
CLOSING = rb"[\"'`*]{0,3}"
_KNOWN_UNIT = (
    rb"%|[mun]?s|\xc2\xb5s|secs?|seconds|min|minutes|h|hours|[kKMGT]?i?B|bytes|[MG]?Hz|[kmMG]?[WJ]"
    rb"|[MGT]?FLOPS?|(?:it|tok|tokens?|samples?|steps?|images?|img)/s(?:ec)?|dB|bits?|nats"
)
# Compiled, by re's own cache, only where they are needed.
_ALONE = rb"\s*" + WRAPPERS + rb"{0,4}\s*(" + NUMBER + rb")\s?(" + _UNIT_CHAR + rb"{0,10})\W*"
_UNIT = rb"([A-Za-z%]" + _UNIT_CHAR + rb"{0,9}|\xc2\xb5s)(?!\w)| (" + _KNOWN_UNIT + rb")(?![\w/])"


def decimals(text: str) -> int:
    """Digits after the decimal point of a printed number, its exponent taken into account."""
    mantissa, _, exponent = text.lower().partition("e")
    fraction = mantissa.partition(".")[2]
    return max(0, len(fraction) - int(exponent or 0)) if mantissa[-1:].isdigit() else 0


def printed_number(text: bytes) -> tuple[str, str] | None:
    """Splits `0.32`, `12 ms` or `tensor(0.3)` into number and unit; None for anything else."""
    match = re.fullmatch(_ALONE, text)
    return (match[1].decode(), match[2].decode("utf-8", "replace")) if match else None


def unit_after(line: bytes, at: int) -> str:
    """The unit right after a number that ends at `at`, or one blank away if it is a known one."""
    match = re.compile(_UNIT).match(line, at)
    return (match[1] or match[2]).decode("utf-8", "replace") if match else ""


def scalars_in(lines: Sequence[bytes], metric: str) -> dict[str, float]:
    """The last value of each `name: number`, a whole line or several in one, at most 40 names."""
    sign = rb"[\"'`*]{0,3}[ \t]{0,80}" + SIGN + rb"[ \t]{0,80}" + WRAPPERS + rb"{0,2}"
    whole = re.compile(
        rb"[ \t|*\xe2\x94\x82]{0,80}([A-Za-z][\w ./@%()-]{0,47}?)" + sign + rb"(" + NUMBER + rb")"
        + rb" ?" + _UNIT_CHAR + rb"{0,10}\W{0,80}"
    )  # fmt: skip
    pair = re.compile(rb"(?<![\w./@-])([A-Za-z_][\w./@%-]{0,47})" + sign + rb"(" + NUMBER + rb")")
    found: dict[str, float] = {}
    for line in reversed(lines[-_SCALAR_LINES:]):
        if len(line) > 1000:
            continue
        one = whole.fullmatch(line)
        for match in [one] if one else reversed(list(pair.finditer(line))):
            name, value = match[1].decode().strip(), float(match[2])
            if name != metric and name not in found and math.isfinite(value):
                found[name] = value
        if len(found) >= _SCALARS:
            break
    return dict(reversed(list(found.items())[:_SCALARS]))


_MIB = {"k": 2**-10, "m": 1.0, "g": 2.0**10, "t": 2.0**20, "b": 2.0**-20}


def memory_mb(name: str, value: float, unit: str = "") -> float | None:
    """`value` in units of 2**20 bytes where `name` says it is a peak of memory, else None."""
    lower = name.lower()
    if not re.search(r"peak|max", lower) or not re.search(
        r"(?<![a-z])(?:mem|memory|vram|(?:ru_?)?(?:max)?rss|ram|resident)(?![a-z])", lower
    ):
        return None
    if not math.isfinite(value) or value <= 0:  # a CPU run prints 0.0: nothing was measured
        return None
    named = re.findall(
        r"(?<![a-z])([kmgt])(?:i?b|bytes)(?![a-z])|(?<![a-z])(b)ytes(?![a-z])", lower
    )
    if unit:
        letter = unit[0].lower()
    elif named:
        letter = "".join(named[-1])
    elif re.search(r"max_memory_(?:allocated|reserved)", lower):  # torch.cuda answers in bytes
        letter = "b"
    elif re.search(r"max[ _]mem$", lower):  # torchvision's and detectron2's loggers print MB
        letter = "m"
    else:
        return None
    return value * _MIB[letter] if letter in _MIB else None


def memory_kind(name: str) -> str:
    """ "vram" where `name` is about a device (or PyTorch's device allocator), else "ram"."""
    device = r"vram|cuda|gpu|max_memory_(?:allocated|reserved)|max[ _]mem(?![a-z])"
    return "vram" if re.search(device, name.lower()) else "ram"


def peak_memory(window: bytes) -> tuple[float | None, str]:
    """The last printed peak of memory."""
    lower = window.lower()
    if not any(word in lower for word in (b"mem", b"ram", b"rss", b"resident")):
        return None, ""
    pattern = re.compile(
        rb"((?:peak|max)[\w ./()-]{0,48}?)[\"']?[ \t]{0,20}" + SIGN + rb"?[ \t]{0,20}[\"']?"
        rb"(?<![\w.])(?!\d+,\d)(\d{1,30}(?:\.\d{0,30})?(?:e[-+]?\d{1,3})?)"
        rb"[ \t]?((?:[kmgt]i?b?|bytes)(?![a-z]))?"
    )
    for line in reversed(lower.split(b"\n")):
        if b"peak" not in line and b"max" not in line:
            continue
        line = line[-4096:]
        for match in reversed(list(pattern.finditer(line))):
            unit = (match[3] or b"").decode()
            value = memory_mb(match[1].decode(), float(match[2]), unit)
            if value is not None:
                about = line[max(0, match.start() - 24) : match.end(1)]
                return value, memory_kind(about.decode("utf-8", "replace"))
    return None, ""
