"""Says why a run gave no verdict-worthy result, in one short line, and whose fault that was.

Reads nothing itself: the caller passes the outcome and the tail of the log, already cut and masked.
"""

from __future__ import annotations

import re
import signal as signals
from dataclasses import dataclass
from typing import Literal, NamedTuple

_REASON_CHARS = 200


@dataclass(frozen=True, slots=True)
class Crash:
    """`machine`: the same code may well run the next time; `idea`: it would end the same way."""

    kind: Literal["idea", "machine"]
    reason: str


class _Rule(NamedTuple):
    """`reason` may be empty: the exception in the log is the best description there is."""

    kind: Literal["idea", "machine"]
    reason: str
    pattern: str


# The first rule whose pattern is found decides; so the exact stand before the general.
_RULES = (
    # A second try gives the same answer: the candidate names what is not there or not allowed.
    _Rule(
        "idea",
        "",
        r"\b40[134] Client Error|GatedRepoError|RepositoryNotFoundError|EntryNotFoundError(?<!LocalEntryNotFoundError)"
        r"|RevisionNotFoundError|HTTP Error 40[134]\b|is not a valid model identifier",
    ),
    # Shared memory: its size is the container's, its messages speak of disks and buses.
    _Rule(
        "machine",
        "shared memory full (/dev/shm)",
        r"unable to (?:write to|resize|allocate|mmap|open) (?:file |shared memory|\d+ bytes from file )?.{0,40}/torch_\d+.{0,80}"
        r"(?:No space left|Cannot allocate)|insufficient shared memory|out of shared memory"
        r"|\(shm\)|/dev/shm.{0,80}No space left|No space left.{0,80}/dev/shm|(?i:bus error).{0,200}(?:shm|shared memory)"
        r"|NCCL.{0,200}Error while creating shared memory segment",
    ),
    _Rule(
        "machine",
        "disk full",
        r"No space left on device|\bENOSPC\b|Errno 28\b|Disk quota exceeded|\bEDQUOT\b|Errno 122\b"
        r"|database or disk is full|PytorchStreamWriter failed writing file|(?i:not enough (?:free )?disk space)",
    ),
    _Rule(
        "machine",
        "disk error",
        r"Read-only file system|Input/output error|Errno 5\b|Stale (?:NFS )?file handle|Errno 116\b"
        r"|Transport endpoint is not connected|Remote I/O error|Errno 121\b|disk I/O error",
    ),
    # PyTorch names the other processes on a full device; in that case the idea may fit well.
    _Rule(
        "machine",
        "GPU memory held by another process",
        r"Process \d+ has \d{1,3}(?:\.\d+)? GiB memory in use\..{0,40}[Tt]his process has",
    ),
    _Rule(
        "machine",
        "GPU busy or held by another process",
        r"(?:CUDA|HIP)-capable devices? (?:\(s\) )?(?:is/)?(?:are|is) (?:all )?busy or unavailable|busy or unavailable"
        r"|cudaErrorDevicesUnavailable|CUDA_ERROR_DEVICE_UNAVAILABLE|already in use by another process"
        r"|The TPU is already in use|exclusive[- ]process",
    ),
    _Rule(
        "idea",
        "out of memory (GPU)",
        r"CUDA out of memory|CUDA error: out of memory|cuda\.OutOfMemoryError|torch\.OutOfMemoryError|CUDA_ERROR_OUT_OF_MEMORY"
        r"|HIP out of memory|MPS backend out of memory|XPU out of memory|CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED"
        r"|cudaErrorMemoryAllocation|cudaMalloc failed: out of memory|RESOURCE_EXHAUSTED"
        r"|ResourceExhaustedError|OOM when allocating|Out of memory allocating|OutOfResources: out of resource",
    ),
    _Rule(
        "idea",
        "out of memory",
        r"\bMemoryError\b|_ArrayMemoryError|std::bad_alloc|bad_array_new_length|DefaultCPUAllocator|Cannot allocate memory|Errno 12\b"
        r"|Out of memory: Kill|oom[-_ ]kill|OOM Killed|worker \(pid\(?s?\)? \d+\) is killed by signal: Killed"
        r"|exceeded memory limit|exceeded job memory limit",
    ),
    _Rule("idea", "device-side assert", r"device-side assert"),
    _Rule(
        "machine",
        "GPU or its driver failed",
        r"[Uu]ncorrectable ECC|\bECC error|CUDA error: hardware|\bXid\b|fallen off the bus|GPU is lost|NVML|nvmlInit"
        r"|Driver/library version mismatch|CUDA driver version is insufficient|CUDA driver initialization failed"
        r"|CUDA unknown error|CUDA error: unknown error|no CUDA-capable device|No CUDA GPUs are available"
        r"|Found no NVIDIA driver|CUDA_ERROR_(?:NO_DEVICE|SYSTEM|NOT_INITIALIZED|UNKNOWN|ECC_UNCORRECTABLE)"
        r"|cudaErrorSystemNotReady|system not yet initialized|failed call to cuInit|couldn't communicate with the NVIDIA driver"
        r"|Unable to initialize backend '(?:cuda|tpu|rocm|gpu)'|No HIP GPUs are available|[Nn]o accelerator is available",
    ),
    _Rule(
        "machine",
        "port in use",
        r"Address already in use|EADDRINUSE|Errno 98\b",
    ),
    _Rule(
        "machine",
        "network",
        r"Temporary failure in name resolution|Name or service not known|nodename nor servname|getaddrinfo failed|NameResolutionError"
        r"|Could not resolve host|Failed to resolve|Max retries exceeded|(?:Connect|Read)Timeout(?:Error)?\b|(?:requests|httpx|urllib3|aiohttp)\S*Connect\w*Error"
        r"|Connection (?:reset|refused|timed out|aborted)|Network is unreachable|No route to host|RemoteDisconnected|IncompleteRead"
        r"|SSLError|SSL: |URLError|\b(?:429|50[0234]) (?:Client |Server )?(?:Error|Too Many)|Too Many Requests|HTTP Error (?:429|50[0234])"
        r"|LocalEntryNotFoundError|couldn't connect to ['\"]?https?:|ncclSystemError|ncclRemoteError|OfflineModeIsEnabled",
    ),
    _Rule("machine", "command not found", r"^(?:/bin/)?(?:ba|z)?sh: (?:line \d+: )?.{1,120}: (?:command )?not found$"),
)
_COMPILED = tuple((rule, re.compile(rule.pattern, re.DOTALL | re.MULTILINE)) for rule in _RULES)

_RAISED = re.compile(r"^((?:[\w]+\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit|Warning|Iteration|Fault)\b.*)$", re.MULTILINE)
_PLACE = re.compile(r"^(\S+?:\d+)(?: in |:|$)", re.MULTILINE)
_NAN = re.compile(r" is (nan|-?inf)\b|not finite")

# Signals that come from outside: the host, its scheduler, a terminal. The others are the code's.
_FROM_OUTSIDE = {"SIGHUP", "SIGINT", "SIGTERM", "SIGPWR", "SIGUSR1", "SIGUSR2", "SIGSTOP", "SIGQUIT"}
_SIGNAL_HINTS = {"SIGKILL": "memory?", "SIGSEGV": "segmentation fault", "SIGABRT": "aborted", "SIGBUS": "bus error",
                 "SIGILL": "illegal instruction", "SIGFPE": "arithmetic error", "SIGXCPU": "CPU time limit", "SIGXFSZ": "file size limit"}  # fmt: skip


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
    """The crash of a run without a usable reading.

    `problem` is why there is no reading, or what the supervisor says (`log grew past 1024 MB`,
    `run lost`); `stage` is `run` or the part that failed (`eval`, `checks`, …), and leads the reason.
    """
    if outcome_kind == "exited" and exit_code is not None and 128 < exit_code < 128 + 65:
        outcome_kind, signal = "signalled", exit_code - 128  # as a shell reports its child's end
    crash = _crash(outcome_kind, exit_code, signal, problem, tail, timeout_s)
    reason = f"{stage}: {crash.reason}" if stage not in ("", "run", crash.reason) else crash.reason
    return Crash(crash.kind, reason if len(reason) <= _REASON_CHARS else reason[: _REASON_CHARS - 1] + "…")


def _crash(
    outcome_kind: str, exit_code: int | None, signal: int | None, problem: str, tail: str, timeout_s: float
) -> Crash:
    if outcome_kind == "timed_out":
        return Crash("idea", f"timed out after {_duration(timeout_s)}")
    if outcome_kind == "log_limit":
        return Crash("idea", problem or "log grew past its limit")
    if outcome_kind == "supervisor_failed":
        return Crash("machine", problem or "the supervisor failed")
    if outcome_kind == "stopped":
        return Crash("machine", problem or "stopped before it ended")
    if _NAN.search(problem):
        return Crash("idea", _non_finite(problem))
    for rule, pattern in _COMPILED:
        if pattern.search(tail):
            return Crash(rule.kind, _reason(rule, tail))
    if outcome_kind == "signalled" and signal is not None:
        return _signalled(signal)
    raised = _raised(tail)
    if raised:
        return Crash("idea", raised)
    if exit_code:
        last = tail.strip().rpartition("\n")[2]
        return Crash("machine" if exit_code in (126, 127) else "idea", f"exit code {exit_code}" + (f": {last}" if last else ""))
    return Crash("idea", f"no metric: {problem}" if problem else "no metric")
