"""What a model says to its targets, at the cross-entropies of the steps that are looked at.

`confident_errors` among the `confident_rows` (the quarter of which the model is surest) stands
beside `confident_expected`, what its own confidence says: more errors in training than in
evaluation are labels that contradict it.
"""

from __future__ import annotations

import math
from typing import Any

_ROWS = 1024
_MOST_CLASSES = 512


class Losses:
    """Figures of single calls, and for evaluation what became of each class."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        self._seen: list[tuple[str, int, int, Any]] = []
        self._counts: Any = None
        self._confused: Any = None

    def look(self, logits: Any, targets: Any, ignored: int, *, training: bool) -> None:
        torch = self._torch
        if not hasattr(targets, "dtype") or targets.is_floating_point() or logits.dim() < 2:
            return
        with torch.no_grad():
            whole = logits.detach()
            whole = whole.movedim(1, -1) if whole.dim() > 2 else whole
            classes = whole.shape[-1]
            rows, labels = whole.reshape(-1, classes), targets.detach().reshape(-1)
            stride = max(1, rows.shape[0] // _ROWS)
            rows, labels = rows[::stride].float(), labels[::stride]
            there = labels != ignored
            rows, labels = rows[there], labels[there]
            if not rows.shape[0]:
                return
            chances = torch.log_softmax(rows, -1)
            sure, guess = chances.max(-1)
            wrong = (guess != labels).float()
            loss = -chances.gather(-1, labels[:, None])[:, 0]
            order = sure.argsort(descending=True)[: max(1, rows.shape[0] // 4)]
            figures = torch.stack([
                loss.mean(), 1 - wrong.mean(), sure.exp().mean(), wrong[order].mean(),
                1 - sure[order].exp().mean(),
            ])  # fmt: skip
            self._seen.append(("train" if training else "eval", rows.shape[0], classes, figures))
            if not training and classes <= _MOST_CLASSES:
                self._count(labels, guess, loss, classes)

    def _count(self, labels: Any, guess: Any, loss: Any, classes: int) -> None:
        torch = self._torch
        if self._counts is None or self._counts.shape[1] != classes:
            self._counts = torch.zeros(3, classes, dtype=torch.float64, device=labels.device)
            self._confused = torch.zeros(
                classes * classes, dtype=torch.float64, device=labels.device
            )
        ones = torch.ones_like(loss, dtype=torch.float64)
        self._counts[0].index_add_(0, labels, ones)
        self._counts[1].index_add_(0, labels, (guess != labels).double())
        self._counts[2].index_add_(0, labels, loss.double())
        self._confused.index_add_(0, labels * classes + guess, ones)

    def rows(self, step: int) -> list[list[Any]]:
        seen, self._seen = self._seen, []
        found: list[list[Any]] = []
        for mode, rows, classes, figures in seen:
            loss, accuracy, sure, errors, expected = figures.tolist()
            quarter = max(1, rows // 4)
            found.append(
                [step, mode, rows, loss, accuracy, sure, quarter, errors, expected, classes]
            )
        return found

    def classes(self) -> dict[str, Any] | None:
        """Of all evaluation that was looked at: count, errors and mean loss by class, and the
        pairs that were confused most often."""
        if self._counts is None:
            return None
        counts, errors, losses = self._counts.tolist()
        classes = len(counts)
        table = [
            {"class": k, "rows": int(counts[k]), "errors": int(errors[k]), "loss": losses[k] / n}
            for k in range(classes)
            if (n := counts[k]) and math.isfinite(losses[k])
        ]
        off = self._confused.reshape(classes, classes).clone()
        off.fill_diagonal_(0)
        most = off.reshape(-1).topk(min(20, classes * classes))
        pairs = [
            {"is": place // classes, "taken_for": place % classes, "rows": int(count)}
            for count, place in zip(most.values.tolist(), most.indices.tolist())
            if count
        ]
        return {"classes": table, "confused": pairs}
