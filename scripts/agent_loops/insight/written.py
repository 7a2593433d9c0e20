"""What the training wrote for analysis: predictions and embeddings in its run's folder.

`predictions*.csv` with a column of labels and one of predictions (others with few values are
slices); `embeddings*.npy` or `.npz` of shape (samples, features). Reads; trains nothing.
"""

from __future__ import annotations

import contextlib
import csv
import itertools
import math
import os
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from agent_loops import display, files
from agent_loops.insight.finding import COLLAPSED, Finding, between, worst_class

_LABELS = ("label", "target", "y", "y_true", "truth")
_PREDICTIONS = ("prediction", "predicted", "pred", "y_pred", "y_hat")
_MOST_BYTES = 64 << 20
_MOST_ROWS = 200_000
_MOST_EMBEDDED_BYTES = 1 << 29
_BROKEN = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile)
_MOST_SLICES = 20
_FEWEST = 20
_SAMPLES = 1024
_LARGEST = 1e30  # the squares of a whole array can still be summed, and squared


class _Group(NamedTuple):
    name: str
    rows: int
    errors: int

    @property
    def rate(self) -> float:
        return self.errors / self.rows


def findings(outputs: Path) -> Iterator[Finding]:
    """Of a run's folder; nothing where it holds no such file."""
    for path in sorted(outputs.glob("predictions*.csv"))[:1]:
        yield from _of_predictions(path)
    yield from _of_embeddings(_embeddings(outputs))


def _of_predictions(path: Path) -> Iterator[Finding]:
    rows = _read(path)
    if not rows:
        return
    pairs = Counter((label, guess) for label, guess, _ in rows)
    whole = _group("all", [(label, guess) for label, guess, _ in rows])
    classes = _groups((label, label, guess) for label, guess, _ in rows)
    wrong = [(pair, count) for pair, count in pairs.most_common() if pair[0] != pair[1]]
    if classes and wrong:
        worst = max(classes, key=lambda group: group.rate)
        (label, guess), count = wrong[0]
        yield worst_class(
            worst.name, errors=worst.errors, rows=worst.rows, all_rate=whole.rate, file=path.name,
            confused=f"{label} is taken for {guess} ({count} times)",
            severity=min(4.5, 1 + 5 * (worst.rate - whole.rate)),
        )  # fmt: skip
    slices = _groups(
        (f"{name}={value}", label, guess)
        for label, guess, others in rows
        for name, value in others.items()
    )
    if slices:
        worst = max(slices, key=lambda group: group.rate)
        yield Finding(
            "slice_error_max", worst.rate, path.name,
            f"where {worst.name} {worst.rate:.0%} of {worst.rows} rows are wrong (all: "
            f"{whole.rate:.0%})",
            "this slice is served worst: more of it, or a feature that tells it",
            min(4.4, 1 + 5 * (worst.rate - whole.rate)),
        )  # fmt: skip


def _read(path: Path) -> list[tuple[str, str, dict[str, str]]]:
    """Label, prediction and slices of each row."""
    text = files.read_text(path, _MOST_BYTES)
    reader = csv.DictReader(text.replace("\0", "").splitlines())
    try:
        names = {str(name).strip().lower(): str(name) for name in reader.fieldnames or ()}
        rows = list(itertools.islice(reader, _MOST_ROWS))
    except csv.Error:
        return []
    label = next((names[name] for name in _LABELS if name in names), None)
    guess = next((names[name] for name in _PREDICTIONS if name in names), None)
    if label is None or guess is None:
        return []
    others = [name for name in names.values() if name not in (label, guess)]
    few = [name for name in others if len({str(row.get(name)) for row in rows}) <= _MOST_SLICES]
    return [
        (_short(row[label]), _short(row[guess]), {_short(n): _short(row.get(n)) for n in few})
        for row in rows
        if row[label] is not None and row[guess] is not None
    ]


def _short(text: object) -> str:
    return display.clean(str(text), 30)


def _group(name: str, rows: Sequence[tuple[str, str]]) -> _Group:
    return _Group(name, len(rows), sum(label != guess for label, guess in rows))


def _groups(rows: Iterator[tuple[str, str, str]]) -> list[_Group]:
    """The errors by group, of those that are large enough to say something."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name, label, guess in rows:
        found.setdefault(name, []).append((label, guess))
    return [_group(name, pairs) for name, pairs in found.items() if len(pairs) >= _FEWEST]


def _embeddings(outputs: Path) -> Mapping[str, Any]:
    """Arrays of (samples, features) by their names, some of the samples of each."""
    paths = sorted(outputs.glob("embeddings*.np[yz]"))[:8]
    if not paths:
        return {}
    import numpy as np

    found: dict[str, Any] = {}
    for path in paths:
        with contextlib.suppress(*_BROKEN), files.open_regular(path) as stream:
            if os.fstat(stream.fileno()).st_size > _MOST_EMBEDDED_BYTES:
                continue
            loaded = np.load(stream, allow_pickle=False)
            arrays = loaded if isinstance(loaded, np.lib.npyio.NpzFile) else {path.stem: loaded}
            for name in list(arrays)[:16]:
                array = arrays[name]
                if array.ndim == 2 and len(array) > 3 and array.dtype.kind == "f":
                    some = np.asarray(array[:: max(1, len(array) // _SAMPLES)], np.float64)
                    if array.size and np.abs(some).max() < _LARGEST:  # not so where one is NaN
                        found[display.clean(name, 40)] = some
    return found


def _of_embeddings(arrays: Mapping[str, Any]) -> Iterator[Finding]:
    for name, array in arrays.items():
        cosine, rank = _cosine(array), _effective_rank(array)
        if not math.isfinite(cosine):
            continue
        yield Finding(
            f"embedding_cosine[{name}]", cosine, "embeddings",
            f"{name}: two samples have a cosine of {cosine:.2f}; {rank:.1f} of {array.shape[1]} "
            "directions are used",
            "near 1, or few directions: the representation has collapsed",
            between(cosine, *COLLAPSED) if cosine > 0.9 else 0.9,
        )  # fmt: skip
    for (one, first), (other, second) in itertools.pairwise(arrays.items()):
        if len(first) == len(second):
            alike = _cka(first, second)
            yield Finding(
                f"cka[{one},{other}]", alike, "embeddings",
                f"{one} and {other} are alike to {alike:.2f} (linear CKA)",
                "near 1: the layers between them change little, and could be spared",
                1.1 if alike > 0.95 else 0.4,
            )  # fmt: skip


def _cosine(array: Any) -> float:
    """The mean cosine of two different samples."""
    import numpy as np

    unit = array / (np.linalg.norm(array, axis=1, keepdims=True) + 1e-12)
    total, count = unit.sum(0), len(unit)
    return float((total @ total - count) / (count * (count - 1)))


def _effective_rank(array: Any) -> float:
    """The exponential of the entropy of the normalised singular values (Roy and Vetterli 2007)."""
    import numpy as np

    values = np.linalg.svd(array - array.mean(0), compute_uv=False)
    shares = values[values > 0] / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum())) if len(shares) else 0.0


def _cka(first: Any, second: Any) -> float:
    """Linear centred kernel alignment (Kornblith et al. 2019), 0 to 1."""
    import numpy as np

    x, y = first - first.mean(0), second - second.mean(0)
    below = np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)
    return float(np.linalg.norm(y.T @ x) ** 2 / below) if below else 0.0
