"""The journal after kills and other people's hands: torn lines, damage, newer versions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from agent_loops import events, journal, supervise
from agent_loops.errors import JournalError
from agent_loops.paths import CampaignPaths
from faults import Commands
from small_campaign import small
from support import Answer, Project

TEXT = "the person says: naïve 🎉 “quoted”\t日本"


@pytest.fixture
def paths(tmp_path: Path) -> CampaignPaths:
    return CampaignPaths(tmp_path)


@pytest.fixture(scope="module")
def commands() -> Iterator[Commands]:
    served = Commands()
    yield served
    served.close()


@pytest.fixture
def project(commands: Commands, tmp_path: Path) -> Project:
    """A campaign with a baseline and a note as its last line."""
    project = small(tmp_path / "p")
    assert commands(project, "setup").code == 0
    assert commands(project, "try", "baseline").code == 0
    assert commands(project, "note", TEXT).code == 0
    return project


def journal_of(paths: CampaignPaths) -> journal.Journal:
    return journal.Journal(paths, boot_id="boot")


def notes(paths: CampaignPaths) -> list[str]:
    found = []
    for seq, (_, record) in enumerate(journal_of(paths).records(), 1):
        assert record.seq == seq
        assert isinstance(record.event, events.Note)
        found.append(record.event.text)
    return found


# ---- torn lines ---------------------------------------------------------------------------------


def test_what_is_appended_is_read_back(paths: CampaignPaths) -> None:
    texts = [TEXT, "line\nbreak \x85 \u2028 \x00 and \udc80", ""]
    for seq, text in enumerate(texts, 1):
        journal_of(paths).append(events.Note(text=text), seq=seq)
    assert notes(paths) == texts
    assert paths.journal.read_bytes().count(b"\n") == 3


def test_last_line_cut_off_at_every_byte_is_set_aside(paths: CampaignPaths) -> None:
    for seq in (1, 2):
        journal_of(paths).append(events.Note(text=TEXT), seq=seq)
    whole = paths.journal.read_bytes()
    kept = whole.index(b"\n") + 1
    for cut in range(kept, len(whole)):
        paths.journal.write_bytes(whole[:cut])
        paths.torn.unlink(missing_ok=True)
        assert notes(paths) == [TEXT]
        assert paths.journal.read_bytes() == whole[:cut], "reading changes nothing"
        journal_of(paths).append(events.Note(text="next"), seq=2)
        assert notes(paths) == [TEXT, "next"]
        torn = paths.torn.read_bytes() if paths.torn.exists() else b"\n"
        assert torn == whole[kept:cut] + b"\n"


def test_a_long_tail_and_a_second_one_are_kept(paths: CampaignPaths) -> None:
    journal_of(paths).append(events.Note(text="first"), seq=1)
    for tail in (b"x" * 200_000, b"\xf0\x9f"):
        with paths.journal.open("ab") as stream:
            stream.write(tail)
        seq = len(notes(paths)) + 1
        journal_of(paths).append(events.Note(text="next"), seq=seq)
    assert notes(paths) == ["first", "next", "next"]
    assert paths.torn.read_bytes() == b"x" * 200_000 + b"\n" + b"\xf0\x9f\n"


def test_a_journal_that_is_one_torn_line_begins_anew(paths: CampaignPaths) -> None:
    paths.journal.write_bytes(b'{"v":1,"seq":1,"ti')
    assert notes(paths) == []
    journal_of(paths).append(events.Note(text="first"), seq=1)
    assert notes(paths) == ["first"]


@pytest.mark.parametrize("left", [0, 1, -1, "in a character"])
def test_the_next_command_goes_on_after_a_torn_line(
    commands: Commands, project: Project, left: int | str
) -> None:
    path = project.sandbox / "journal.jsonl"
    whole = path.read_bytes()
    start = whole.rindex(b"\n", 0, -1) + 1
    cut = whole.index("🎉".encode()) + 2 if isinstance(left, str) else (
        start + left if left >= 0 else len(whole) - 1
    )  # fmt: skip
    path.write_bytes(whole[:cut])
    before = len(whole[:cut].splitlines()) - int(cut > start)
    assert commands(project, "status").code == 0
    assert path.read_bytes() == whole[:cut], "looking changes nothing"
    assert commands(project, "note", "on we go").code == 0
    journal = project.journal()
    assert [item["seq"] for item in journal] == list(range(1, before + 2))
    assert journal[-1]["text"] == "the person says: on we go"
    torn = project.sandbox / "journal.torn"
    assert (torn.read_bytes() if torn.exists() else b"\n") == whole[start:cut] + b"\n"
    project.write("parts/a.txt", "val_bpb: 1.5\n")
    answer = commands(project, "try", "better")
    assert (answer.code, answer["status"]) == (0, "keep")


def test_setup_begins_anew_where_only_its_first_line_was_torn(
    commands: Commands, tmp_path: Path
) -> None:
    project = small(tmp_path / "p")
    assert commands(project, "setup").code == 0
    path = project.sandbox / "journal.jsonl"
    for data in (path.read_bytes()[:-1], b"", b'{"v":1'):
        path.write_bytes(data)
        (project.sandbox / "results.tsv").unlink()
        (project.root / ".agent-loops/active.json").unlink()
        answer = commands(project, "status")
        assert (answer.code, answer["kind"]) == (3, "no campaign")
        assert commands(project, "setup").code == 0
        assert [item["event"] for item in project.journal()] == ["campaign_started"]


# ---- damage, and what comes from another version ------------------------------------------------


def changed(line: bytes, **changes: object) -> bytes:
    return json.dumps({**json.loads(line), **changes}).encode() + b"\n"


DAMAGE: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "not json": lambda lines: [*lines[:2], b"{]\n", *lines[3:]],
    "zeros": lambda lines: [*lines[:2], bytes(len(lines[2]) - 1) + b"\n", *lines[3:]],
    "cut": lambda lines: [*lines[:2], lines[2][:20] + b"\n", *lines[3:]],
    "not utf-8": lambda lines: [*lines[:2], lines[2][:40] + b"\xff" + lines[2][40:], *lines[3:]],
    "empty line": lambda lines: [*lines[:2], b"\n", *lines[2:]],
    "list": lambda lines: [*lines[:2], b"[]\n", *lines[3:]],
    "nan": lambda lines: [*lines[:2], lines[2][:-2] + b',"x":NaN}\n', *lines[3:]],
    "line missing": lambda lines: [*lines[:2], *lines[3:]],
    "line twice": lambda lines: [*lines[:2], lines[1], *lines[2:]],
    "swapped": lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]],
    "field missing": lambda lines: [
        *lines[:2], changed(lines[2]).replace(b'"marker"', b'"maker"'), *lines[3:]
    ],
    "seq is a word": lambda lines: [*lines[:2], changed(lines[2], seq="three"), *lines[3:]],
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_an_error_that_names_file_and_line(
    commands: Commands, project: Project, damage: str
) -> None:
    path = project.sandbox / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    assert b'"run_started"' in lines[2]
    path.write_bytes(b"".join(DAMAGE[damage](lines)))
    before = snapshot(project)
    for words in (["status"], ["try", "x"], ["wait"], ["setup"], ["note", "x"], ["stop"]):
        answer = commands(project, *words)
        assert answer.code == 1, (words, answer)
        assert failure(answer).startswith(f"{path}:3: "), answer
        assert "Traceback" not in answer.err
    assert snapshot(project) == before


def failure(answer: Answer) -> str:
    assert answer["status"] == "failed"
    assert answer.err == f"agent-loops: {answer['reason']}\n"
    assert len(answer.err.splitlines()) == 1
    return str(answer["reason"])


def snapshot(project: Project) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for path in project.root.rglob("*")
        if path.is_file() and path.name != "lock"
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"v": 2}, "newer"),
        ({"event": "teleported"}, "teleported"),
        ({"v": 2, "event": "teleported"}, "newer"),
    ],
)
def test_what_a_newer_version_wrote_is_refused_with_what_to_do(
    commands: Commands, project: Project, changes: dict[str, object], expected: str
) -> None:
    path = project.sandbox / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:-1], changed(lines[-1], **changes)]))
    before = snapshot(project)
    answer = commands(project, "try", "x")
    assert answer.code == 1
    assert f"journal.jsonl:{len(lines)}: " in failure(answer)
    assert expected in failure(answer)
    assert "update" in failure(answer)
    assert snapshot(project) == before


def test_unknown_fields_are_kept(commands: Commands, project: Project) -> None:
    path = project.sandbox / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines = [changed(line, mood="good", extra={"a": [1]}) for line in lines]
    path.write_bytes(b"".join(lines))
    project.write("parts/a.txt", "val_bpb: 1.5\n")
    assert commands(project, "try", "better")["status"] == "keep"
    assert path.read_bytes().startswith(b"".join(lines))


def test_a_journal_that_begins_with_something_else_is_no_campaign(
    commands: Commands, project: Project
) -> None:
    path = project.sandbox / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(changed(lines[-1], seq=1))
    answer = commands(project, "status")
    assert answer.code == 1
    assert "journal.jsonl:1: " in failure(answer)
    assert "campaign_started" in failure(answer)


def test_an_error_says_where(paths: CampaignPaths) -> None:
    paths.journal.write_bytes(b"{}\n")
    with pytest.raises(JournalError) as caught:
        notes(paths)
    assert (caught.value.path, caught.value.line) == (paths.journal, 1)
    assert "put the file back" in str(caught.value)
    assert "agent-loops setup" in str(caught.value)


# ---- runs that write into the record ------------------------------------------------------------

WRITES = {
    "its own end": """
line = [item for item in record.read_bytes().splitlines() if b'"run_finished"' in item][-1]
forged = json.loads(line) | {"experiment": 2, "value": 1e-6, "seq": seq + 1}
record.open("a").write(json.dumps(forged) + "\\n")
""",
    "the past": 'record.write_bytes(record.read_bytes().replace(b"2.0", b"9.0"))',
    "junk": """record.open("a").write('{"x":1}\\n')""",
    "nothing any more": "record.unlink()",
    "a folder": "record.unlink(); record.mkdir()",
}


@pytest.mark.parametrize("written", WRITES.values(), ids=WRITES)
def test_a_run_that_writes_into_the_record_is_a_crash_and_changes_nothing(
    commands: Commands, project: Project, written: str
) -> None:
    project.write("parts/a.txt", "val_bpb: 1.5\n")
    script = (
        "import json, pathlib\nrecord = pathlib.Path('sandbox/t1/journal.jsonl')\n"
        f"seq = record.read_bytes().count(b'\\n')\n{written}\n"
    )
    project.write("run.sh", f"cat parts/*.txt\npython3 - <<'END'\n{script}END\n")
    path = project.sandbox / "journal.jsonl"
    before = path.read_bytes()
    answer = commands(project, "try", "rewrite the record")
    assert (answer.code, answer["status"]) == (0, "crash"), answer
    assert "the run changed the record" in answer["reason"]
    assert path.read_bytes().startswith(before)
    aside = [found.name for found in project.sandbox.glob("journal.changed-*")]
    assert len(aside) == int(written != WRITES["nothing any more"])
    assert all(name in answer["reason"] for name in aside)
    project.write("parts/a.txt", "val_bpb: 1.75\n")
    answer = commands(project, "try", "an honest one")
    assert (answer["status"], answer["delta"]) == ("keep", 0.25)


def test_what_people_record_during_a_run_stays(commands: Commands, project: Project) -> None:
    path = project.sandbox / "journal.jsonl"
    project.write("run.sh", "cat parts/*.txt\nuntil [ -e ../go ]; do sleep 0.02; done\n")
    assert commands(project, "try", "slow", "--wait-s", "0")["status"] == "running"
    assert commands(project, "note", "one").code == 0
    before = path.read_bytes()
    line = next(item for item in before.splitlines(keepends=True) if b'"decided"' in item)
    path.write_bytes(before + line)
    (project.root.parent / "go").touch()
    assert supervise.wait_for_end(project.sandbox / "run.lock", 30)
    answer = commands(project, "wait")
    assert answer["status"] == "crash", answer
    assert "the run changed the record" in answer["reason"]
    assert path.read_bytes().startswith(before)
    assert any("one" in note for note in answer["notes"])


# ---- what is derived ----------------------------------------------------------------------------


@pytest.mark.parametrize("derived", ["sandbox/t1/results.tsv", ".agent-loops/active.json"])
def test_a_folder_in_place_of_a_derived_file_is_moved_aside(
    commands: Commands, project: Project, derived: str
) -> None:
    path = project.root / derived
    path.unlink()
    path.mkdir()
    (path / "mine").write_text("mine")
    project.write("parts/a.txt", "val_bpb: 1.5\n")
    answer = commands(project, "try", "better")
    assert (answer.code, answer["status"]) == (0, "keep"), answer
    assert path.is_file()
    [aside] = path.parent.glob(f"{path.name}.moved-*/mine")
    assert aside.read_text() == "mine"


def test_a_broken_last_line_is_set_aside_like_a_torn_one(
    commands: Commands, project: Project
) -> None:
    path = project.sandbox / "journal.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"x":1}\n')
    assert commands(project, "status").code == 0
    assert path.read_bytes() == whole + b'{"x":1}\n', "looking changes nothing"
    project.write("parts/a.txt", "val_bpb: 1.5\n")
    answer = commands(project, "try", "better")
    assert (answer.code, answer["status"]) == (0, "keep"), answer
    assert path.read_bytes().startswith(whole)
    assert (project.sandbox / "journal.torn").read_bytes() == b'{"x":1}\n'
    assert any("journal.torn" in note for note in answer["notes"])


# ---- time ---------------------------------------------------------------------------------------


def test_order_is_by_seq_whatever_the_clock_says(paths: CampaignPaths) -> None:
    times = [datetime(2026, 3, 5, 12, tzinfo=timezone.utc) + timedelta(days=day)
             for day in (0, -1, 1, -400)]  # fmt: skip
    for seq, now in enumerate(times, 1):
        clock = journal.Journal(paths, boot_id="boot", now=lambda now=now: now)  # type: ignore[misc]
        clock.append(events.Note(text=str(seq)), seq=seq)
    assert notes(paths) == ["1", "2", "3", "4"]
    written = [json.loads(line)["time"] for line in paths.journal.read_bytes().splitlines()]
    assert written == [now.isoformat(timespec="milliseconds") for now in times]
