"""How much the rows of one batch are alike, told by the mean of each row: batches of one kind at a
time have means that differ more than their rows' do."""

from __future__ import annotations

from typing import Any

_ROWS = 512


def figures(torch: Any, tensor: Any) -> Any:
    """Number of rows, mean of their means and variance among them; None where there are too few."""
    if tensor.dim() < 1 or tensor.shape[0] < 4 or tensor.is_complex():
        return None
    with torch.no_grad():
        rows = tensor.detach()
        rows = rows[:: max(1, rows.shape[0] // _ROWS)]
        means = rows.reshape(rows.shape[0], -1).double().mean(1)
        return torch.stack([means.mean(), means.var()]).cpu(), rows.shape[0]
