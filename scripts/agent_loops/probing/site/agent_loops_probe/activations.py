"""What goes through the layers of a model, while it is looked at: scale, dead and saturated units.

Works on a strided part of each tensor, in float32, and reads it back in one piece at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import recording

_ROWS = 192
_COMPARED = 64
# A unit that never gives more than this share of its layer's scale gives nothing.
_DEAD = 1e-3
_BOUNDS = {"Tanh": (-0.97, 0.97), "Sigmoid": (0.03, 0.97), "Hardtanh": (-0.97, 0.97)}
_CHANNELS_SECOND = ("Conv", "BatchNorm", "InstanceNorm", "GroupNorm", "Pool")


class Activations:
    """Looks at the forward passes of one step: at each module's first."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        self._handles: list[Any] = []
        self._seen: list[tuple[int, Any, str, Any]] = []
        self._looked: set[int] = set()  # those are alive: `_seen` has them
        self._depth = 0

    def start(self, entered: Any, left: Any, failed: Any) -> None:
        """`entered` and `left` are called around each pass through a whole model, with whether it
        is a training pass and its arguments; `failed` with an error of our own."""
        torch, module = self._torch, self._torch.nn.modules.module
        self._depth = 0

        def before(module: Any, args: Any) -> None:
            if recording.is_on(torch):
                return
            try:
                self._depth += 1
                if self._depth == 1:
                    entered(module, args)
            except Exception as error:  # noqa: BLE001
                failed(error)

        def after(module: Any, args: Any, output: Any) -> None:
            if recording.is_on(torch):
                return
            try:
                self._depth -= 1
                left(module, args, output, self._depth)
            except Exception as error:  # noqa: BLE001
                failed(error)

        self._handles = [
            module.register_module_forward_pre_hook(before),
            module.register_module_forward_hook(after),
        ]

    def stop(self) -> None:
        """Looks no longer, and forgets what was seen."""
        for handle in self._handles:
            handle.remove()
        self._handles, self._seen = [], []
        self._looked.clear()

    def look(self, order: int, module: Any, args: Any, output: Any) -> None:
        """Takes the figures of one module's pass, the `order`th of the step."""
        if id(module) in self._looked:
            return  # an accumulation's later passes say the same
        leaf = not module._modules
        if leaf and args and _is_figures(args[0]) and _has_weight(module):
            self._take(order, module, "in", args[0])
        found = _first(output)
        if found is not None:
            self._take(order, module, "out", found)

    def _take(self, order: int, module: Any, side: str, tensor: Any) -> None:
        torch, kind, leaf = self._torch, type(module).__name__, not module._modules
        with torch.no_grad():
            whole = tensor.detach()
            rows = _rows(whole, kind).float()
            size = rows.abs()
            scale = (rows * rows).mean().sqrt()
            low, high = _BOUNDS.get(kind, (None, None))
            none = torch.zeros((), device=rows.device)
            figures = [
                rows.mean(), rows.std(unbiased=False), size.amax(), (rows == 0).float().mean(),
                (size.amax(0) <= _DEAD * scale).float().mean(),
                ((rows <= low) | (rows >= high)).float().mean() if low is not None else none,
                _cosine(rows) if not leaf and rows.shape[0] > 2 else none,
                1 - torch.isfinite(whole.sum(dtype=torch.float32)).float(),
            ]  # fmt: skip
            self._seen.append((order, module, side, torch.stack(figures)))
            self._looked.add(id(module))

    def rows(self, step: int, name_of: Callable[[Any], str | None]) -> list[list[Any]]:
        """What was seen of layers that have a name, read back in the order of the pass."""
        if not self._seen:
            return []
        values = self._torch.stack([figures.cpu() for *_, figures in self._seen]).tolist()
        return [
            [step, order, name or "(model)", type(module).__name__, side, *figures]
            for (order, module, side, _), figures in zip(self._seen, values)
            if (name := name_of(module)) is not None
        ]


def _is_figures(value: Any) -> bool:
    return hasattr(value, "is_floating_point") and value.is_floating_point() and value.numel() > 0


def _has_weight(module: Any) -> bool:
    return getattr(module, "weight", None) is not None and "Norm" not in type(module).__name__


def _first(output: Any) -> Any:
    if isinstance(output, (tuple, list)):
        output = output[0] if output else None
    elif isinstance(output, dict):
        output = next(iter(output.values()), None)
    return output if _is_figures(output) and output.dim() > 0 else None


def _rows(tensor: Any, kind: str) -> Any:
    """Units in columns, some of the samples in rows."""
    if tensor.dim() >= 3 and any(name in kind for name in _CHANNELS_SECOND):
        tensor = tensor.movedim(1, -1)
    if tensor.dim() == 1:
        return tensor[:_ROWS, None]
    if not tensor.is_contiguous() and tensor.dim() > 2:
        count = tensor[0].numel() // tensor.shape[-1]
        tensor = tensor[:: max(1, tensor.shape[0] * count // _ROWS)]
    rows = tensor.reshape(-1, tensor.shape[-1])
    return rows[:: max(1, rows.shape[0] // _ROWS)]


def _cosine(rows: Any) -> Any:
    """How alike the samples are: the mean cosine of two different ones."""
    some = rows[:: max(1, rows.shape[0] // _COMPARED)][:_COMPARED]
    some = some / (some.norm(dim=1, keepdim=True) + 1e-12)
    count = some.shape[0]
    total = some.sum(0)
    return ((total * total).sum() - count) / (count * (count - 1))
