"""Gradients, weights and their updates at one optimizer step, on a strided part of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_ELEMENTS = 4096


class Gradients:
    """`before` and `after` a step; then `rows`."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        self._kept: list[tuple[Any, Any, Any]] = []

    def before(self, optimizer: Any, is_due: Callable[[int], bool]) -> None:
        """Looks at the parameters whose turn it is, by their places."""
        torch = self._torch
        with torch.no_grad():
            weights = [weight for group in optimizer.param_groups for weight in group["params"]]
            for place, weight in enumerate(weights):
                if is_due(place) and weight.grad is not None and not weight.grad.is_sparse:
                    gradient, values = _part(weight.grad), _part(weight).clone()
                    figures = [
                        (gradient * gradient).mean().sqrt(), (values * values).mean().sqrt(),
                        1 - torch.isfinite(gradient).float().mean(),
                    ]  # fmt: skip
                    self._kept.append((weight, values, torch.stack(figures)))

    def clear(self) -> None:
        self._kept = []

    def rows(self, step: int, name_of: Callable[[Any], str]) -> list[list[Any]]:
        """One row a parameter that had a gradient; to be called right after the step."""
        kept, self._kept = self._kept, []
        if not kept:
            return []
        torch = self._torch
        with torch.no_grad():
            found = []
            for weight, values, figures in kept:
                change = _part(weight) - values
                found.append(torch.cat([figures, (change * change).mean().sqrt()[None]]).cpu())
            values_of = torch.stack(found).tolist()
        return [
            [step, name_of(weight), gradient, size, update, update / size if size else 0.0, lost]
            for (weight, _, _), (gradient, size, lost, update) in zip(kept, values_of)
        ]


def _part(tensor: Any) -> Any:
    flat = tensor.detach().reshape(-1)
    return flat[:: max(1, flat.shape[0] // _ELEMENTS)].float()
