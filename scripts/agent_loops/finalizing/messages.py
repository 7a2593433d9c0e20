"""Words the commit messages of a review branch: each idea with its figures; pure.

Says of an idea what the record says, and judges it no further.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from agent_loops import display
from agent_loops.finalizing import wording
from agent_loops.finalizing.ancestry import Step
from agent_loops.finalizing.commits import Planned
from agent_loops.reporting.ledger import Ledger, Row
from agent_loops.state import Campaign

_SUBJECT = 72
_WIDTH = 72
_AS_FOUND = (
    "These files lay in the project like this when the campaign began, and were not committed so. "
    "What follows was measured against them."
)
_BEGAN = (
    "The code that the campaign began with",
    _AS_FOUND,
)
_REBASELINED = (
    "Bindings or harness were changed here and the code was measured anew; it is other code than "
    "the idea before had."
)


class Messages:
    """Words messages for one campaign; what is in `secrets` is shown nowhere."""

    def __init__(
        self, campaign: Campaign, ledger: Ledger, overall: str, secrets: Sequence[str]
    ) -> None:
        self._campaign = campaign
        self._ledger = ledger
        self._overall = overall
        self._secrets = secrets

    def of(self, planned: Planned) -> str:
        """The message of one commit."""
        if len(planned.steps) != 1:
            return self._of_several(planned)
        step = planned.steps[0]
        if step.is_idea:
            return self._of_idea(step, planned.note)
        return self._of_baseline(step)

    def of_all(self, planned: Planned) -> str:
        """The message of the one commit that holds everything."""
        change = self._overall
        subject = f"{change}: {len(self._ideas(planned))} ideas kept in {self._tag}"
        how = f"{change} ({wording.better(self._ledger)}). {wording.counts(self._ledger)}."
        trailer = f"Campaign: {self._tag}"
        return _joined(subject, [f"Measured: {how}", *self._listed(planned), trailer])

    @property
    def _tag(self) -> str:
        return self._campaign.tag

    def _row_of(self, number: int | None) -> Row:
        row = self._ledger.row(number)
        assert row is not None
        return row

    def _row(self, step: Step) -> Row:
        return self._row_of(step.number)

    def _plain(self, text: str) -> str:
        return wording.plain(text, self._secrets)

    def _of_idea(self, step: Step, note: str) -> str:
        row = self._row(step)
        description = self._plain(row.description)
        why = f"Why: {self._plain(row.why)}" if row.why else ""
        paragraphs = [description if len(description) > _SUBJECT else "", why]
        paragraphs += [". ".join(filter(None, self._figures(step, row))) + "."]
        paragraphs += [*self._remarks(step, row), note, self._trailer([step])]
        return _joined(description, paragraphs)

    def _figures(self, step: Step, row: Row) -> Iterator[str]:
        before = self._ledger.row(step.experiment.replaced)
        change = wording.change(self._ledger, before, row)
        gain = wording.gain(row)
        if change and row.epoch == self._epoch:
            change += f" ({wording.better(self._ledger)})"
        yield ", ".join(filter(None, (change, gain)))
        yield wording.effort(row)

    @property
    def _epoch(self) -> int:
        return self._campaign.epoch

    def _remarks(self, step: Step, row: Row) -> Iterator[str]:
        if row.override_why:
            yield f"Kept by override: {self._plain(row.override_why)}"
        if row.kind == "simpler":
            yield f"Kept because it is simpler: {self._plain(row.reason)}"
        if row.epoch != self._epoch:
            yield (
                "Measured before a rebaseline, with other bindings or another harness than what "
                "followed: its figures do not compare with those."
            )
        for other in step.through:
            yield (
                f"Holds what experiment {other.number} tried as well, on which it was built: "
                f"{self._plain(other.started.description)}"
            )

    def _of_baseline(self, step: Step) -> str:
        subject, what = _BEGAN
        if step.experiment.epoch:
            subject = f"Code of the {self._plain(step.experiment.started.description)}"
            what = _REBASELINED
        return _joined(subject, [what, self._trailer([step])])

    def _of_several(self, planned: Planned) -> str:
        ideas = self._ideas(planned)
        subject = f"{len(ideas)} ideas kept in campaign {self._tag}"
        if not ideas:
            subject = "What is left without the changes that were taken out"
        return _joined(
            subject, [planned.note, *self._listed(planned), self._trailer(planned.steps)]
        )

    def _ideas(self, planned: Planned) -> list[Step]:
        return [step for step in planned.steps if step.is_idea]

    def _listed(self, planned: Planned) -> Iterator[str]:
        for step in self._ideas(planned):
            row = self._row(step)
            told = [self._plain(row.description), next(self._figures(step, row))]
            yield f"- Experiment {step.number}: " + ". ".join(filter(None, told))

    def _trailer(self, steps: Sequence[Step]) -> str:
        numbers = ", ".join(str(step.number) for step in steps)
        return f"Experiment: {numbers}\nCampaign: {self._tag}"


def _joined(subject: str, paragraphs: Sequence[str]) -> str:
    wrapped = [
        text if text.startswith(("Experiment: ", "Campaign: ")) else _wrapped(text)
        for text in paragraphs
        if text
    ]
    # A line that begins with `#` would be lost when somebody rewords the commit.
    first = display.cut(subject, _SUBJECT).lstrip("# ") or "An idea"
    return "\n\n".join([first, *wrapped]) + "\n"


def _wrapped(text: str) -> str:
    indent = "  " if text.startswith("- ") else ""
    lines = textwrap.wrap(
        text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(f" {line}" if line.startswith("#") else line for line in lines)
