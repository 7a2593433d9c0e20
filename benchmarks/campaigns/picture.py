"""True and claimed gain against runs, by rule: three panels, one a noise. Computes nothing.

Colours are Okabe and Ito's, told apart without red and green; every line carries its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from campaigns.rules import LOWER, OURS

PANELS = (0.5, 1.0, 2.0)
COLOURS = {LOWER: "#d55e00", "fixed 2 sigma": "#6b6b6b", OURS: "#0072b2"}
_NAMES = {LOWER: "keep if lower", "fixed 2 sigma": "2\u03c3 rule", OURS: "noise-aware"}
_APART = 0.8  # gains: the height of a line of text
_DASHED = (0, (3, 2))
_INK, _PAPER = "#222222", "#ffffff"  # a card of its own: it reads the same on a dark page


def draw(results: Mapping[str, Any], target: Path) -> None:
    """Writes the picture, SVG or PNG by the name; `results` is the report's JSON."""
    import matplotlib as mpl  # slow, and needed here alone
    from matplotlib import pyplot as plt

    style = {"svg.hashsalt": "keep-rule", "font.family": "DejaVu Sans", "font.size": 12}
    with mpl.rc_context(style):
        figure, axes = plt.subplots(1, 3, figsize=(10.5, 4.6), sharey=True, facecolor=_PAPER)
        for axis, sigma in zip(axes, PANELS, strict=True):
            _panel(axis, results["curves"], sigma)
        _name(axes[2], results["curves"][f"{PANELS[2]:g}"])
        axes[0].set_ylabel("gain on the baseline, in typical gains", color=_INK)
        axes[1].set_xlabel("training runs", color=_INK)
        true = plt.Line2D([], [], color=_INK, linewidth=2.6, label="true")
        claimed = plt.Line2D([], [], color=_INK, linewidth=1.6, linestyle=_DASHED, label="claimed")
        axes[0].legend(handles=[true, claimed], frameon=False, loc="upper left", labelcolor=_INK)
        figure.tight_layout(w_pad=1.0)
        dateless = {"Date": None} if target.suffix == ".svg" else None
        figure.savefig(target, metadata=dateless, facecolor=_PAPER, dpi=100)
        plt.close(figure)


def _panel(axis: Any, curves: Mapping[str, Any], sigma: float) -> None:
    for rule, colour in COLOURS.items():
        its = curves[f"{sigma:g}"][rule]
        runs, true, claimed = [0, *its["runs"]], [0.0, *its["true"]], [0.0, *its["claimed"]]
        axis.plot(runs, true, color=colour, linewidth=2.6)
        axis.plot(runs, claimed, color=colour, linewidth=1.6, linestyle=_DASHED)
        axis.fill_between(runs, true, claimed, color=colour, alpha=0.10, linewidth=0)
    axis.set_title(f"noise {sigma:g} x the typical gain", color=_INK, fontsize=12)
    axis.set_xlim(0, 100)
    axis.set_ylim(bottom=0)
    axis.set_xticks([0, 50, 100])
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    axis.tick_params(colors=_INK)
    axis.grid(axis="y", color="#dddddd", linewidth=0.8)
    axis.set_axisbelow(True)


def _name(axis: Any, curves: Mapping[str, Any]) -> None:
    """Each line's name beside its end, moved apart where lines end close together."""
    ends = []
    for rule, colour in COLOURS.items():
        true, claimed = curves[rule]["true"][-1], curves[rule]["claimed"][-1]
        if abs(true - claimed) < _APART:
            ends.append((0.5 * (true + claimed), f"{_NAMES[rule]},\ntrue and claimed", colour, 2))
        else:
            ends.append((true, f"{_NAMES[rule]}, true", colour, 1))
            ends.append((claimed, f"{_NAMES[rule]}, claimed", colour, 1))
    free = -1.0
    for height, name, colour, lines in sorted(ends):
        place = max(height, free + 0.5 * _APART * lines)
        axis.text(103, place, name, color=colour, va="center", fontsize=11, linespacing=1.1)
        free = place + 0.5 * _APART * lines
