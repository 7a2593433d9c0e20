"""The goals of the rule, each with the figure that decides it. Measures nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from campaigns.figures import Sheet, average, best_other, mean, share
from campaigns.noise import NORMAL
from campaigns.rules import OURS, STUDY
from campaigns.worlds import PURE_NOISE

_LEAST_SHARE = {0.0: 0.92, 0.25: 0.92, 0.5: 0.92, 1.0: 0.92, 2.0: 0.84, 4.0: 0.70}

_TOLD = 0.1


class Goal(NamedTuple):
    """One line: what was wanted, whether it is met, and what was found."""

    wanted: str
    met: bool
    found: str

    def __str__(self) -> str:
        return f"{'met' if self.met else 'NOT MET'}: {self.wanted}: {self.found}"


def goals(sheets: Sequence[Sheet], rule: str = OURS) -> list[Goal]:
    """All goals that these sheets can decide. Where nothing else is said: at 100 runs and more."""
    noise = [sheet for sheet in sheets if sheet.cell.world is PURE_NOISE and sheet.runs >= 100]
    all_real = [sheet for sheet in sheets if sheet.cell.world is not PURE_NOISE]
    real = [sheet for sheet in all_real if sheet.runs >= 100]
    return [
        *_shares(real, rule),
        *_against_others(real, rule),
        _over_claim([*real, *noise], rule),
        _coverage([*real], rule),
        *_false_claims(noise, rule),
        *_weak_spots(all_real, rule),
    ]


def _shares(real: Sequence[Sheet], rule: str) -> list[Goal]:
    found = []
    plain = [s for s in real if s.cell.noise == NORMAL and s.cell.baselines == 2]
    for sigma, least in _LEAST_SHARE.items():
        for runs in sorted({s.runs for s in plain}):
            chosen = [s for s in plain if s.cell.sigma == sigma and s.runs == runs]
            if chosen:
                its = share(chosen, rule)
                wanted = f"at least {least:.2f} of the oracle at sigma {sigma:g}, {runs} runs"
                found.append(Goal(wanted, its.mean >= least, str(its)))
    return found


def _against_others(real: Sequence[Sheet], rule: str) -> list[Goal]:
    ratios = []
    for sheet in real:
        other = best_other(sheet, rule)
        its = share([sheet], rule, other)
        if its.error <= _TOLD:
            ratios.append((its, sheet, other))
    if not ratios:
        return []
    its, sheet, other = min(ratios, key=lambda item: item[0].mean)
    part = sum(its.mean >= 0.95 for its, _, _ in ratios) / len(ratios)
    surely = sum(its.mean + 2 * its.error < 0.95 for its, _, _ in ratios)
    silent = len(real) - len(ratios)
    return [
        Goal(
            "at least .95 of the best other rule in 95% of the cells", part >= 0.95,
            f"{part:.1%} of {len(ratios)} (below by more than two standard errors: {surely}); in "
            f"{silent} more nobody gains enough to tell: a standard error above {_TOLD:g}",
        ),
        Goal(
            "never under .90 of the best other rule", its.mean >= 0.90,
            f"{its} ({sheet.cell.name}, {sheet.runs} runs; best there: {other})",
        ),
    ]  # fmt: skip


def _over_claim(chosen: Sequence[Sheet], rule: str) -> Goal:
    found = [(mean(sheet.over(rule)), sheet) for sheet in chosen]
    most, sheet = max(found, key=lambda item: item[0].mean)
    above = sum(its.mean > 0.1 for its, _ in found)
    said = f"{most} ({sheet.cell.name}, {sheet.runs} runs); above in {above} of {len(found)}"
    return Goal("reported minus true gain at most .1 sigma in any cell", most.mean <= 0.1, said)


def _coverage(real: Sequence[Sheet], rule: str) -> Goal:
    found = [(mean(sheet.covered(rule)), sheet) for sheet in real if sheet.cell.sigma > 0]
    whole = average([its for its, _ in found])
    least, sheet = min(found, key=lambda item: item[0].mean)
    said = f"{whole}; least {least} ({sheet.cell.name}, {sheet.runs} runs)"
    return Goal("90% intervals cover 87 to 92% on average", 0.87 <= whole.mean <= 0.92, said)


def _false_claims(noise: Sequence[Sheet], rule: str) -> list[Goal]:
    found = [(mean(sheet.columns[rule]["claims"]), sheet) for sheet in noise]
    if not found:
        return []
    most = max(its.mean for its, _ in found)
    each = ", ".join(f"{sheet.cell.noise.name} {its.mean:.1%}" for its, sheet in found)
    return [Goal("pure noise is claimed as a gain in at most 3%", most <= 0.03, each)]


def _weak_spots(real: Sequence[Sheet], rule: str) -> list[Goal]:
    spots: dict[str, Callable[[Sheet], bool]] = {
        "where sigma doubles": lambda s: s.cell.noise.swelling > 1 and s.runs == 100,
        "at sigma .25 and 50 runs": lambda s: (
            s.cell.noise == NORMAL and s.cell.sigma == 0.25 and s.runs == 50
        ),
        "where gains interact": lambda s: (
            s.cell.world.crowding > 0 and s.cell.noise == NORMAL and s.runs == 100
        ),
    }
    found = []
    for name, is_one in spots.items():
        chosen = [sheet for sheet in real if is_one(sheet) and STUDY in sheet.rules]
        if chosen:
            its = share(chosen, rule, STUDY)
            said = f"{its} of it; {share(chosen, rule)} of the oracle"
            found.append(Goal(f"ahead of the study's rule {name}", its.mean > 1.0, said))
    return found
