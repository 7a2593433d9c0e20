"""Says in one short line why a run gave no reading, and whether idea or machine is at fault.

Reads nothing itself: the caller passes the outcome and the tail of the log, already cut and masked.
"""

from __future__ import annotations

import re
import signal as signals
from dataclasses import dataclass
from typing import Literal, NamedTuple

from agent_loops import display

Kind = Literal["idea", "machine", "edited"]

_REASON_CHARS = 200
_DETAIL_CHARS = 120


@dataclass(frozen=True, slots=True)
class Crash:
    """`idea`: the same code would end the same way. `machine`: it may well run the next time.

    `edited`: nobody knows which code it was that ran.
    """

    kind: Kind
    reason: str


class _Rule(NamedTuple):
    """`reason` "" stands for the exception itself; a machine's is followed by the line found."""

    kind: Kind
    reason: str
    patterns: tuple[str, ...]


# The first rule found in the tail decides, so the exact ones stand before the general ones.
_RULES = (
    # The candidate names something that is not there or not allowed; asking again changes nothing.
    # (A token that expired overnight looks the same: the crash after the third pauses for it.)
    _Rule("idea", "", (
        r"\b40[134] Client Error", r"HTTP Error 40[134]\b", r"GatedRepoError",
        r"RepositoryNotFoundError", r"(?<!Local)EntryNotFoundError", r"RevisionNotFoundError",
        r"is not a valid model identifier",
    )),
    _Rule("idea", "too many open files", (r"Too many open files", r"Errno 24\b")),
    # Shared memory is sized by the container, and its messages speak of disks and buses.
    _Rule("machine", "shared memory full (/dev/shm)", (
        r"/torch_\w+.{0,80}(?:No space left|Cannot allocate)", r"insufficient shared memory",
        r"out of shared memory", r"/dev/shm.{0,120}No space left", r"No space left.{0,120}/dev/shm",
        r"[Bb]us error.{0,200}(?:shm|shared memory)", r"creating shared memory segment",
    )),
    _Rule("machine", "disk full", (
        r"No space left on device", r"\bENOSPC\b", r"Errno 28\b", r"[Dd]isk quota exceeded",
        r"\bEDQUOT\b", r"Errno 122\b", r"disk is full", r"PytorchStreamWriter failed writing file",
        r"[Nn]ot enough (?:free )?disk space",
    )),
    _Rule("machine", "disk error", (
        r"Read-only file system", r"Input/output error", r"Errno 5\b", r"Errno 116\b",
        r"Stale (?:NFS )?file handle", r"Transport endpoint is not connected", r"Remote I/O error",
        r"Errno 121\b", r"disk I/O error",
    )),
    # PyTorch lists who is on a full device; where others hold GiBs of it, the idea may well fit.
    _Rule("machine", "GPU memory held by another process", (
        r"Process \d+ has \d+(?:\.\d+)? GiB memory in use.{0,60}this process has",
    )),
    _Rule("machine", "GPU busy or held by another process", (
        r"busy or unavailable", r"cudaErrorDevicesUnavailable", r"CUDA_ERROR_DEVICE_UNAVAILABLE",
        r"in use by (?:another )?process", r"TPU is already in use",
    )),
    _Rule("idea", "out of memory (CUDA)", (
        r"CUDA out of memory", r"CUDA error: out of memory", r"CUDA_ERROR_OUT_OF_MEMORY",
        r"torch(?:\.cuda)?\.OutOfMemoryError", r"CUBLAS_STATUS_ALLOC_FAILED",
        r"CUDNN_STATUS_ALLOC_FAILED", r"cudaErrorMemoryAllocation", r"cudaMalloc failed",
    )),
    _Rule("idea", "out of memory (device)", (
        r"(?:HIP|XPU) out of memory", r"MPS backend out of memory", r"RESOURCE_EXHAUSTED",
        r"ResourceExhaustedError", r"OOM when allocating", r"Out of memory allocating",
        r"OutOfResources: out of resource",
    )),
    _Rule("idea", "out of memory", (
        r"\bMemoryError\b", r"_ArrayMemoryError", r"std::bad_alloc", r"DefaultCPUAllocator",
        r"Cannot allocate memory", r"Errno 12\b", r"Out of memory: Kill", r"(?i:oom[-_ ]kill)",
        r"is killed by signal: Killed", r"[Ee]xceeded (?:job )?memory limit",
    )),
    _Rule("idea", "device-side assert (an index or label out of range?)", (
        r"device-side assert",
    )),
    _Rule("machine", "GPU or driver failure", (
        r"[Uu]ncorrectable ECC", r"\bECC error", r"CUDA error: hardware", r"\bXid\b",
        r"fallen off the bus", r"GPU is lost", r"\bNVML\b", r"nvmlInit",
        r"Driver/library version mismatch", r"CUDA driver version is insufficient",
        r"CUDA driver initialization failed", r"CUDA unknown error", r"CUDA error: unknown error",
        r"no CUDA-capable device", r"No (?:CUDA|HIP) GPUs are available",
        r"Found no NVIDIA driver", r"communicate with the NVIDIA driver",
        r"CUDA_ERROR_(?:NO_DEVICE|SYSTEM|NOT_INITIALIZED|UNKNOWN|ECC)", r"cudaErrorSystemNotReady",
        r"system not yet initialized", r"failed call to cuInit", r"Unable to initialize backend",
    )),
    _Rule("machine", "port in use", (
        r"Address already in use", r"EADDRINUSE", r"Errno 98\b",
    )),
    _Rule("machine", "network", (
        r"[Tt]emporary failure in name resolution", r"Name or service not known",
        r"nodename nor servname", r"getaddrinfo failed", r"NameResolutionError",
        r"[Cc]ould not resolve host", r"Failed to resolve", r"Max retries exceeded",
        r"(?:Connect|Read)Timeout\b", r"(?:requests|httpx|urllib3|aiohttp)[\w.]*Connect\w*Error",
        r"Connection (?:reset|refused|timed out|aborted)", r"Network is unreachable",
        r"No route to host", r"RemoteDisconnected", r"IncompleteRead", r"SSLError", r"\[SSL: ",
        r"URLError", r"\b(?:429|50[0234]) (?:Client|Server) Error", r"Too Many Requests",
        r"HTTP Error (?:429|50[0234])", r"LocalEntryNotFoundError", r"OfflineModeIsEnabled",
        r"couldn't connect to '?https?:", r"ncclSystemError", r"ncclRemoteError",
    )),
)  # fmt: skip

_RAISED = re.compile(
    r"^(?:\w+\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit|Warning|Iteration)(?::.*)?$",
    re.MULTILINE,
)
_PLACE = re.compile(r"^([^\s:]+:\d+)(?: in |:|$)", re.MULTILINE)
# A line of pytest's short summary: the test, then what it raised, cut to the terminal's width.
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+\.py\b.*?) - (.+)$", re.MULTILINE)
_NON_FINITE = re.compile(r" is (nan|-?inf)\b| is not finite")

# Sent by a host, a scheduler or a terminal; every other signal is the code's own doing.
_FROM_OUTSIDE = ("SIGHUP", "SIGINT", "SIGTERM", "SIGQUIT", "SIGPWR", "SIGUSR1", "SIGUSR2", "SIGBUS")
_HINTS = {
    "SIGABRT": "aborted",
    "SIGBUS": "bus error: shared memory or disk?",
    "SIGFPE": "arithmetic error",
    "SIGILL": "illegal instruction",
    "SIGKILL": "memory?",
    "SIGSEGV": "segmentation fault",
    "SIGTERM": "ended from outside",
    "SIGXCPU": "CPU time limit",
    "SIGXFSZ": "file size limit",
}


def classify(
    *,
    outcome_kind: str,
    exit_code: int | None,
    signal: int | None,
    stage: str,
    problem: str,
    tail: str,
    timeout_s: float,
) -> Crash:
    """The crash of a run that gave no usable reading.

    `outcome_kind` is one of exited, timed_out, log_limit, signalled, stopped, supervisor_failed.
    `problem` says why there is no reading, or what the supervisor reports (`log grew past 1024 MB`,
    `run lost`). `stage` is `run`, or the part that failed (`eval`), and then leads the reason.
    `tail` is `display.tail` of the stage's log.
    """
    if outcome_kind == "exited" and exit_code is not None and 128 < exit_code <= 128 + 64:
        outcome_kind, signal = "signalled", exit_code - 128  # how a shell reports its child's end
    if outcome_kind == "timed_out":
        crash = Crash("idea", f"timed out after {_duration(timeout_s)}")
    elif outcome_kind == "log_limit":
        crash = Crash("idea", problem or "log grew past its limit")
    elif outcome_kind == "supervisor_failed":
        crash = Crash("machine", problem or "the supervisor failed")
    elif outcome_kind == "stopped":
        crash = Crash("machine", problem or "stopped before it ended")
    else:
        crash = _from_log(exit_code, signal if outcome_kind == "signalled" else None, problem, tail)
    lead = "" if stage in ("", "run") else f"{stage}: "
    return Crash(crash.kind, display.cut(lead + crash.reason, _REASON_CHARS))


def _from_log(exit_code: int | None, signal: int | None, problem: str, tail: str) -> Crash:
    if match := _NON_FINITE.search(problem):
        word = "NaN" if match[1] == "nan" else "not finite"
        return Crash("idea", f"{word}: {problem}")
    raised = _raised(tail)
    # A run that ended well may have warned of anything; there, only an exception tells.
    if exit_code != 0 or raised:
        for rule in _RULES:
            match = re.search("|".join(rule.patterns), tail, re.DOTALL)
            if match:
                return Crash(rule.kind, _ruled(rule, match, raised or _last_line(tail)))
    if signal is not None:
        return _signalled(signal)
    if raised:
        return Crash("idea", raised)
    if exit_code:
        last = _last_line(tail)
        # 126 and 127 are bash's: the command itself is not there, or cannot be executed.
        kind: Kind = "machine" if exit_code in (126, 127) else "idea"
        if last == "FAIL":  # what karpathy/autoresearch prints before it gives up
            last += " (the loss became NaN or exploded)"
        return Crash(kind, f"exit code {exit_code}" + (f": {last}" if last else ""))
    return Crash("idea", f"no metric: {problem}" if problem else "no metric")


def _ruled(rule: _Rule, match: re.Match[str], exception: str) -> str:
    if rule.kind == "idea":
        return rule.reason or exception
    tail = match.string
    start = tail.rfind("\n", 0, match.start()) + 1
    line = tail[start:].partition("\n")[0]
    if match.end() - start > _DETAIL_CHARS:
        line = "…" + tail[match.start() :].partition("\n")[0]
    return f"{rule.reason}: {display.cut(line, _DETAIL_CHARS)}"


def _raised(tail: str) -> str:
    """The exception with its place, `ValueError: no such mode (train.py:3)`, or ""."""
    lines = tail.split("\n")
    for at in range(len(lines) - 1, -1, -1):
        place = _PLACE.match(lines[at + 1]) if at + 1 < len(lines) else None
        if _RAISED.match(lines[at]) or (place and at == 0):
            return _at(lines[at], place[1] if place else "")
    failed = _FAILED.search(tail)
    return _at(failed[2], failed[1]) if failed else ""


def _at(raised: str, place: str) -> str:
    where = f" ({display.cut(place, _DETAIL_CHARS)})" if place else ""
    return display.cut(raised, _REASON_CHARS - 20 - len(where)) + where


def _signalled(number: int) -> Crash:
    try:
        name = signals.Signals(number).name
    except ValueError:
        name = ""
    hint = f" ({_HINTS[name]})" if name in _HINTS else ""
    kind: Kind = "machine" if name in _FROM_OUTSIDE else "idea"
    return Crash(kind, f"killed by signal {number}{hint}")


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.0f} s"


def _last_line(tail: str) -> str:
    return tail.strip().rpartition("\n")[2].strip()
