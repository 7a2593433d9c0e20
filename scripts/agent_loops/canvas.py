"""Sheets to draw on and PNGs of them, without a display; texts that the font can show.

Draws nothing by itself. matplotlib, which is slow to import, is imported here alone.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes
    from matplotlib.figure import Figure as Figure

_NO_GLYPH = "\N{WHITE VERTICAL RECTANGLE}"


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Whatever matplotlib would warn of is told to nobody."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def new(wide: float, high: float, *, dpi: int = 110) -> Figure:
    """An empty sheet of so many inches."""
    import logging

    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # says where it keeps its cache
    _hush()
    from matplotlib.figure import Figure

    return Figure(figsize=(wide, high), dpi=dpi, layout="constrained")


def _hush() -> None:
    """Importing it for the first time tells that it builds its cache of fonts."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)


def png(figure: Figure) -> bytes:
    """The picture as a file's bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    stream = io.BytesIO()
    FigureCanvasAgg(figure).print_png(stream)  # type: ignore[no-untyped-call]
    return stream.getvalue()


def halo(wide: float) -> list[Any]:
    """What sets a text off from what is under it."""
    from matplotlib import patheffects

    return [patheffects.withStroke(linewidth=wide, foreground="white")]


def written(text: str) -> str:
    """A text with a box for every letter that the font lacks, of which one stands for a row."""
    if text.isascii():
        return text
    known = _letters()
    kept: list[str] = []
    for char in text:
        if ord(char) in known:
            kept.append(char)
        elif kept[-1:] != [_NO_GLYPH]:
            kept.append(_NO_GLYPH)
    return "".join(kept)


@cache
def _letters() -> frozenset[int]:
    _hush()
    from matplotlib import font_manager, ft2font

    found = font_manager.findfont(font_manager.FontProperties())
    return frozenset(ft2font.FT2Font(found).get_charmap())
