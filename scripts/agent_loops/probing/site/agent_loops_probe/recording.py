"""Whether torch records what runs, to run it again without us: nothing of ours belongs in it."""

from __future__ import annotations

from typing import Any


def is_on(torch: Any) -> bool:
    """While something is compiled, exported, traced, or captured into a CUDA graph."""
    if torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None:
        return True  # as Module itself asks it: `torch.jit.is_tracing` takes microseconds
    return is_captured(torch)


def is_captured(torch: Any) -> bool:
    """Into a CUDA graph, which breaks where anybody waits for the device."""
    return bool(torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing())
