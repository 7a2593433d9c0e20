"""The probe's files: rows are appended as they come, so that a killed run leaves what it saw.

The first process of a run that trains has them; others (ranks, workers, forks) write nothing.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Sequence
from typing import Any

COLUMNS = {
    "steps": ("step", "time_s", "loss", "learning_rate", "backwards"),
    "phases": ("step", "data_s", "forward_s", "backward_s", "optimizer_s", "evaluation_s"),
    "activations": (
        "step", "order", "layer", "kind", "side", "mean", "deviation", "largest", "zero_share",
        "dead_share", "saturated_share", "cosine", "non_finite",
    ),
    "gradients": (
        "step", "parameter", "gradient_rms", "weight_rms", "update_rms", "update_to_weight",
        "non_finite",
    ),
    "losses": (
        "step", "mode", "rows", "loss", "accuracy", "confidence", "confident_rows",
        "confident_errors", "confident_expected", "classes",
    ),
    "batches": ("step", "what", "rows", "mean", "variance_within"),
}  # fmt: skip
_LARGEST = 32 << 20


class Files:
    """What one process writes to the results' folder."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._mine: bool | None = None
        self._pid = os.getpid()
        self._bytes = 0
        self._rows: dict[str, list[Sequence[Any]]] = {}
        self._notes: set[str] = set()

    @property
    def mine(self) -> bool:
        """Whether this process has the files; asked first when a training step is made."""
        if os.getpid() != self._pid:
            return False  # a fork of the one that asked
        if self._mine is None:
            self._mine = self._claim()
        return self._mine

    def _claim(self) -> bool:
        if os.environ.get("RANK", "0") not in ("", "0"):
            return False
        place = os.path.join(self.folder, "process")
        try:
            with open(place, "x") as stream:
                stream.write(str(self._pid))
            return True
        except FileExistsError:
            with open(place) as stream:
                return stream.read() == str(self._pid)  # it became another program

    def note(self, text: str) -> None:
        """A line for people, once."""
        if text in self._notes or len(self._notes) > 20:
            return
        self._notes.add(text)
        with open(os.path.join(self.folder, "notes.txt"), "a") as stream:
            stream.write(text[:300].replace("\n", " ") + "\n")

    def row(self, name: str, values: Sequence[Any]) -> None:
        self._rows.setdefault(name, []).append(values)

    def flush(self) -> None:
        """Writes the rows that were collected."""
        rows, self._rows = self._rows, {}
        for name, values in rows.items():
            if self._bytes < _LARGEST:
                self._append(name, values)

    def _append(self, name: str, rows: Iterable[Sequence[Any]]) -> None:
        path = os.path.join(self.folder, name + ".csv")
        with open(path, "a", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            if stream.tell() == 0:
                writer.writerow(COLUMNS[name])
            before = stream.tell()
            writer.writerows([[_text(value) for value in row] for row in rows])
            self._bytes += stream.tell() - before

    def replace(self, name: str, value: Any) -> None:
        """Writes one JSON file, whole or not at all."""
        path = os.path.join(self.folder, name)
        with open(path + ".new", "w") as stream:
            json.dump(value, stream)
        os.replace(path + ".new", path)


def _text(value: Any) -> Any:
    return "%.6g" % value if isinstance(value, float) else value
