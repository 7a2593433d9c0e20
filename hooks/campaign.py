"""The campaign around a hook, as its pointer, its table and its record tell it; and the session.

Reads what the command line wrote, and writes nothing but the session's own small file. Standard
library only, for Python 3.9: the host may start hooks with the system's. A hook runs at each of the
agent's actions, so it does without modules that are slow to import (pathlib, typing, tempfile,
datetime).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

# The skills in which the agent goes on by itself; the person types them with a slash before them.
LOOPS = ("agent-loops:karpathy", "agent-loops:ml-autoresearch")
_TAIL_BYTES = 64 << 10
_REMEMBERED_S = 30 * 86400.0
_SETTLED = ("settled", "rebaselined", "campaign_started", "confirmed", "analysed")
_SWITCHES = {"paused": "paused", "stopped": "stopped", "resumed": "active"}
_UNDER_WAY = (
    "experiment_started", "run_started", "run_finished", "checks_finished", "decided",
    "confirmation_started", "analysis_started",
)  # fmt: skip
# Controls, and the invisible characters that reorder or hide text.
_RANGES = (
    (0, 32),
    (127, 160),
    (0x200B, 0x2010),
    (0x2028, 0x202F),
    (0x2066, 0x206A),
    (0xFEFF, 0xFF00),
)
_UNCLEAN = {code: " " for first, last in _RANGES for code in range(first, last)}


def read_event() -> dict[str, Any]:
    """What the host says on standard input."""
    event = json.loads(sys.stdin.buffer.read())
    if not isinstance(event, dict):
        raise TypeError("the host's event is no object")
    return event


def answer(value: dict[str, Any]) -> None:
    """Says it to the host: one JSON object, once."""
    sys.stdout.write(json.dumps(value) + "\n")


def clean(text: object, most: int) -> str:
    """One line of text that comes from a file: without control characters, cut to `most`."""
    line = " ".join(str(text)[: 4 * most].translate(_UNCLEAN).split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def seen(event: dict[str, Any]) -> dict[str, Any]:
    """What a session's file remembers of any event: that the hooks run there, and how."""
    return {
        "seen": round(time.time(), 1),
        "mode": clean(event.get("permission_mode") or "", 40),
        "transcript": str(event.get("transcript_path") or ""),
    }


class Row:
    """One settled experiment, as results.tsv has it; `metric` is its text, "" without one."""

    __slots__ = ("description", "metric", "number", "status")

    def __init__(self, number: int, status: str, metric: str, description: str) -> None:
        self.number = number
        self.status = status
        self.metric = metric
        self.description = description

    @property
    def category(self) -> str:
        """What stands before the colon of the idea; "" where there is none."""
        head, colon, _ = self.description.partition(":")
        return clean(head.lower(), 24) if colon and len(head) <= 24 else ""

    def in_words(self, most: int) -> str:
        """`#5 keep 0.9931 lr: lower`, with at most so many characters of the idea."""
        figures = f"{clean(self.status, 20)} {clean(self.metric, 40)}".strip()
        return f"#{self.number} {figures} {clean(self.description, most)}"


class Campaign:
    """The campaign of the project in `root`. `pointer` is data that anybody may have written."""

    def __init__(self, root: str) -> None:
        self.root = os.path.realpath(root)
        with open(f"{self.root}/.agent-loops/active.json", "rb") as stream:
            pointer = json.load(stream)
        if not isinstance(pointer, dict):
            raise TypeError("active.json is no object")
        self.pointer: dict[str, Any] = pointer
        self.sandbox = os.path.join(self.root, str(pointer.get("sandbox") or "sandbox"))
        self.journal = os.path.join(self.sandbox, "journal.jsonl")
        self._tail: list[bytes] | None = None

    def text(self, key: str) -> str:
        """A value of the pointer as one clean line; "" where it has none."""
        value = self.pointer.get(key)
        return "" if value is None else clean(value, 200)

    @property
    def skill(self) -> str:
        """What the person types to let the loop go on."""
        return f"/agent-loops:{self.text('loop') or 'karpathy'}"

    @property
    def analysis_first(self) -> bool:
        """Whether an idea needs an anchor, a prediction and an analysis plan."""
        return self.text("loop") == "ml-autoresearch"

    @property
    def is_ours(self) -> bool:
        """Whether agent-loops began it on this machine: a record can come with a repository.

        Its folder is the user's alone, which git does not carry; or it says that it is from here.
        """
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            if os.stat(self.sandbox).st_mode & 0o777 == 0o700:
                return os.path.isfile(self.journal)
            with open(self.journal, "rb") as stream:
                return bool(json.loads(stream.readline())["project"] == self.root)
        return False

    @property
    def state(self) -> str:
        """active, paused, stopped or finished: by the record and the clock, too.

        A kill can leave the pointer behind the record.
        """
        state, end = self.text("state"), self.text("end_utc")  # 2026-11-21T07:30:00+00:00
        if state != "finished":
            state = _SWITCHES.get(self._last_of(_SWITCHES)[0], state)
        now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        return "finished" if state == "active" and end and now >= end[: len(now)] else state

    @property
    def is_to_confirm(self) -> bool:
        """Whether it is finished, and the claim for which time was set aside is still to be made.

        Past the end of that time it is no more, unless it was begun.
        """
        if self.state != "finished" or self.pointer.get("confirm") is not True:
            return False
        end = self.text("confirm_until_utc")
        now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        return not end or now < end[: len(now)] or self.is_unsettled

    def is_led_by(self, session: Session) -> bool:
        """Whether this session leads it; one that the person began in a terminal is anybody's."""
        owner = self.text("session")
        return owner == session.name or (self.is_free and session.loops)

    @property
    def is_free(self) -> bool:
        """Whether nobody leads it yet: a session that only set it up does not."""
        return not self.text("session") or self.pointer.get("experiments") == 0

    @property
    def run_is_alive(self) -> bool:
        """Whether a supervisor holds the run's lock, whatever a file says."""
        try:
            descriptor = os.open(os.path.join(self.sandbox, "run.lock"), os.O_RDONLY)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    @property
    def progress(self) -> int:
        """Grows with each step of an experiment and each switch; not with refusals and notes."""
        return self._last_of((*_SETTLED, *_UNDER_WAY, *_SWITCHES))[1]

    @property
    def is_unsettled(self) -> bool:
        """Whether the last experiment was begun, and its verdict is not carried out yet."""
        return self._last_of((*_SETTLED, *_UNDER_WAY))[0] in _UNDER_WAY

    def _last_of(self, names: Collection[str]) -> tuple[str, int]:
        """Which of these events the record's end has last, and its number; "" where it has none."""
        for line in reversed(self._last_lines()):
            if any(b'"event":"%s"' % name.encode() in line for name in names):
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    record = json.loads(line)
                    event = record["event"]  # the words may stand in an idea, too
                    if event in names:
                        return str(event), int(record["seq"])
        return "", 0

    def _last_lines(self) -> list[bytes]:
        """The record's end, read once: a hook asks several questions of one moment."""
        if self._tail is None:
            tail = b""
            with contextlib.suppress(OSError), open(self.journal, "rb") as stream:
                stream.seek(max(0, stream.seek(0, os.SEEK_END) - _TAIL_BYTES))
                tail = stream.read()
            self._tail = tail.split(b"\n")
        return self._tail

    def rows(self, most: int = sys.maxsize) -> list[Row]:
        """The settled experiments in order, the last `most` of them."""
        try:
            path = os.path.join(self.sandbox, "results.tsv")
            with open(path, encoding="utf-8", errors="replace", newline="\n") as stream:
                lines = stream.read().rstrip("\n").split("\n")
        except OSError:
            return []
        head = lines[0].split("\t")
        if "status" not in head or "description" not in head:
            return []
        status, description = head.index("status"), head.index("description")
        rows = []
        for number in range(max(1, len(lines) - most), len(lines)):
            cells = lines[number].split("\t")
            if len(cells) == len(head):
                no_metric = cells[status] == "crash" or cells[1] == "nan"
                metric = "" if no_metric else cells[1]
                rows.append(Row(number, cells[status], metric, cells[description]))
        return rows

    def metric_of(self, key: str) -> str:
        """`#5 0.9931` for the pointer's `incumbent`, `best` or `baseline`; "" without one."""
        number, metrics = self.pointer.get(key), self.pointer.get("metrics")
        if not isinstance(number, int) or not isinstance(metrics, dict):
            return ""
        return f"#{number} {clean(metrics.get(str(number), ''), 40)}".rstrip()


class Session:
    """One session of the host's, as far as the hooks remember it.

    `loops` is true from the person's `/agent-loops:karpathy` or the agent's first experiment
    until the person says something else. Where no hook has seen a word yet, the record tells: who
    leads a campaign with experiments is in the loop. `spoke` is true from any word of theirs,
    that command too, until the next experiment: till then the agent may call their switches for
    them. `heard` is false for an action that it may have thought of before it heard what they
    typed meanwhile.
    """

    def __init__(self, campaign: Campaign, event: dict[str, Any]) -> None:
        self.name = clean(event.get("session_id") or "", 100)
        self._folder = f"{campaign.root}/.agent-loops/sessions"
        safe = "".join(char if char.isalnum() or char == "-" else "_" for char in self.name)
        self._path = f"{self._folder}/{safe or 'none'}.json"
        self.heard = True
        self.data = self._read()
        leads = self.name != "" and campaign.text("session") == self.name
        self._is_at_it = leads and campaign.pointer.get("experiments") not in (None, 0)

    @property
    def loops(self) -> bool:
        return bool(self.data.get("loops", self._is_at_it))

    @property
    def spoke(self) -> bool:
        return bool(self.data.get("spoke", not self.loops))

    def person_speaks(self, event: dict[str, Any], *, begins: bool, halted: bool) -> None:
        """Theirs is the last word; one that comes while the agent works it hears a step later."""
        unheard = self.data.get("at_work") is True and not begins
        word = {"loops": begins, "spoke": True, "unheard": unheard, "knew_halt": halted}
        self.save(**seen(event), **word, blocks=0, at_work=True)

    @property
    def may_resume(self) -> bool:
        """Whether the person has spoken since the campaign was halted, by them or another."""
        return self.spoke and self.data.get("knew_halt") is not False

    def experiments(self) -> None:
        """The agent tries an idea: the loop goes on, unless it has yet to hear the person."""
        if self.heard:
            self.save(loops=True, spoke=False)

    def agent_acts(self) -> None:
        self.heard = self.data.get("unheard") is not True
        if self.data:
            self.save(at_work=True, unheard=False)

    def _read(self) -> dict[str, Any]:
        found = None
        with contextlib.suppress(OSError, ValueError), open(self._path, "rb") as stream:
            found = json.load(stream)
        return found if isinstance(found, dict) else {}

    def save(self, **changes: object) -> None:
        """Changes what is remembered; does not write where nothing changes."""
        before = self._read()  # another hook may have noted the person's word meanwhile
        self.data = {**before, **changes}
        if self.data == before:
            return
        if os.path.islink(os.path.dirname(self._folder)) or os.path.islink(self._folder):
            return  # nothing is written through a link
        os.makedirs(self._folder, exist_ok=True)
        if not os.path.exists(self._path):
            self._forget_old_ones()
        temporary = f"{self._folder}/.{os.getpid()}-{time.monotonic_ns()}.tmp"
        with open(temporary, "x", encoding="utf-8") as stream:
            json.dump(self.data, stream)
        os.replace(temporary, self._path)

    def _forget_old_ones(self) -> None:
        oldest = time.time() - _REMEMBERED_S
        for entry in list(os.scandir(self._folder)):
            with contextlib.suppress(OSError):  # gone by another's hand, or no file
                if entry.stat(follow_symlinks=False).st_mtime < oldest:
                    os.unlink(entry.path)


def found(event: dict[str, Any]) -> tuple[Campaign, Session]:
    """The campaign in the folder that `hook` names, and the session of the event."""
    campaign = Campaign(sys.argv[1])
    return campaign, Session(campaign, event)
