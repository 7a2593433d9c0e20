"""What a run's end is called, and whether idea or machine is at fault: real messages."""

# ruff: noqa: E501  (messages stand here whole, as programs print them)

from __future__ import annotations

from typing import Any

import pytest

from agent_loops.crashes import Crash, classify


def crash(tail: str = "", **given: Any) -> Crash:
    arguments: dict[str, Any] = {
        "outcome_kind": "exited",
        "exit_code": 1,
        "signal": None,
        "stage": "run",
        "problem": "no line matches `val_loss:` (3 lines)",
        "tail": tail,
        "timeout_s": 600.0,
    }
    return classify(**(arguments | given))


@pytest.mark.parametrize(
    ("given", "kind", "reason"),
    [
        ({"outcome_kind": "timed_out", "exit_code": None}, "idea", "timed out after 10.0 min"),
        ({"outcome_kind": "timed_out", "timeout_s": 30.0}, "idea", "timed out after 30 s"),
        (
            {"outcome_kind": "log_limit", "problem": "log grew past 1024 MB"},
            "idea",
            "log grew past 1024 MB",
        ),
        ({"outcome_kind": "supervisor_failed", "problem": "run lost"}, "machine", "run lost"),
        ({"outcome_kind": "supervisor_failed", "problem": ""}, "machine", "the supervisor failed"),
        ({"outcome_kind": "stopped", "problem": ""}, "machine", "stopped before it ended"),
        ({"outcome_kind": "signalled", "signal": 9}, "idea", "killed by signal 9 (memory?)"),
        ({"exit_code": 137}, "idea", "killed by signal 9 (memory?)"),
        (
            {"outcome_kind": "signalled", "signal": 11},
            "idea",
            "killed by signal 11 (segmentation fault)",
        ),
        (
            {"outcome_kind": "signalled", "signal": 15},
            "machine",
            "killed by signal 15 (ended from outside)",
        ),
        ({"exit_code": 130}, "machine", "killed by signal 2"),
        (
            {"outcome_kind": "signalled", "signal": 7},
            "machine",
            "killed by signal 7 (bus error: shared memory or disk?)",
        ),
        ({"outcome_kind": "signalled", "signal": 63}, "idea", "killed by signal 63"),
        ({"exit_code": 0, "problem": "val_bpb is nan"}, "idea", "NaN: val_bpb is nan"),
        ({"exit_code": 1, "problem": "val_bpb is inf"}, "idea", "not finite: val_bpb is inf"),
        ({"exit_code": 0}, "idea", "no metric: no line matches `val_loss:` (3 lines)"),
        (
            {"exit_code": 0, "tail": "wandb: Network error (ConnectTimeout)"},
            "idea",
            "no metric: no line matches `val_loss:` (3 lines)",
        ),
        (
            {"exit_code": 1, "tail": "step 3\nFAIL"},
            "idea",
            "exit code 1: FAIL (the loss became NaN or exploded)",
        ),
        ({"exit_code": 3}, "idea", "exit code 3"),
        ({"exit_code": 255, "tail": "x"}, "idea", "exit code 255: x"),
        (
            {"exit_code": 127, "tail": "bash: line 1: uv: command not found"},
            "machine",
            "exit code 127: bash: line 1: uv: command not found",
        ),
        (
            {"stage": "eval", "tail": "FAIL"},
            "idea",
            "eval: exit code 1: FAIL (the loss became NaN or exploded)",
        ),
    ],
)
def test_an_outcome_has_a_short_reason(given: dict[str, Any], kind: str, reason: str) -> None:
    assert crash(**given) == Crash(kind, reason)  # type: ignore[arg-type]


def test_an_exception_is_named_with_its_place() -> None:
    tail = "ModuleNotFoundError: No module named 'x'\ntrain.py:3 in <module>: import x"
    assert crash(tail) == Crash("idea", "ModuleNotFoundError: No module named 'x' (train.py:3)")
    assert crash("queue.Empty\ntrain.py:9 in get").reason == "queue.Empty (train.py:9)"
    assert crash(f"ValueError: {'long ' * 99}\ntrain.py:3 in f: f()").reason.endswith(
        "… (train.py:3)"
    )
    assert (
        crash("SyntaxError: invalid syntax\ntrain.py:2: x = = 1").reason
        == "SyntaxError: invalid syntax (train.py:2)"
    )


@pytest.mark.parametrize(
    ("summary", "reason"),
    [
        (
            "FAILED tests/x.py::test_a - AttributeError: no hook\nFAILED tests/x.py::test_b - X\n",
            "AttributeError: no hook (tests/x.py::test_a)",
        ),
        ("FAILED ../x.py::test_a[a b] - assert 1 == 2\n", "assert 1 == 2 (../x.py::test_a[a b])"),
        ("ERROR bench/x.py - ImportError: no\n", "ImportError: no (bench/x.py)"),
        ("FAILED x.py::test_a - MemoryError\n", "out of memory"),
        ("FAILED to build - sorry\n", "exit code 1: 2 failed in 0.92s"),
    ],
)
def test_what_a_test_raised_is_named(summary: str, reason: str) -> None:
    tail = f"=== short test summary info ===\n{summary}2 failed in 0.92s"
    assert crash(tail) == Crash("idea", reason)
    assert len(crash(tail.replace("test_a", "long" * 99)).reason) <= 200


OOM = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.10 GiB"
    " of which 1.19 GiB is free. {}Including non-PyTorch memory, this process has 17.90 GiB memory in use. Of the"
    " allocated memory 17.2 GiB is allocated by PyTorch"
)


@pytest.mark.parametrize(
    ("tail", "kind", "starts"),
    [
        # memory of the idea's own making
        (OOM.format(""), "idea", "out of memory (CUDA)"),
        (OOM.format("Process 1234 has 212.00 MiB memory in use. "), "idea", "out of memory (CUDA)"),
        (
            "RuntimeError: CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported",
            "idea",
            "out of memory (CUDA)",
        ),
        (
            "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
            "idea",
            "out of memory (CUDA)",
        ),
        (
            "jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory allocating 17179869184 bytes.",
            "idea",
            "out of memory (device)",
        ),
        (
            "tensorflow.python.framework.errors_impl.ResourceExhaustedError: OOM when allocating tensor with shape[1]",
            "idea",
            "out of memory (device)",
        ),
        (
            "RuntimeError: MPS backend out of memory (MPS allocated: 17.92 GB)",
            "idea",
            "out of memory (device)",
        ),
        (
            "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 745. GiB for an array with shape",
            "idea",
            "out of memory",
        ),
        ("MemoryError", "idea", "out of memory"),
        (
            "terminate called after throwing an instance of 'std::bad_alloc'",
            "idea",
            "out of memory",
        ),
        (
            "RuntimeError: [enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory",
            "idea",
            "out of memory",
        ),
        ("OSError: [Errno 12] Cannot allocate memory", "idea", "out of memory"),
        (
            "RuntimeError: DataLoader worker (pid 42) is killed by signal: Killed.",
            "idea",
            "out of memory",
        ),
        (
            "slurmstepd: error: Detected 1 oom_kill event in StepId=1.batch.",
            "idea",
            "out of memory",
        ),
        # other faults of the idea
        ("RuntimeError: CUDA error: device-side assert triggered", "idea", "device-side assert"),
        (
            "RuntimeError: CUDA error: an illegal memory access was encountered",
            "idea",
            "RuntimeError: CUDA error: an illegal",
        ),
        (
            "RuntimeError: mat1 and mat2 shapes cannot be multiplied (8x16 and 32x8)",
            "idea",
            "RuntimeError: mat1",
        ),
        ("AssertionError: Torch not compiled with CUDA enabled", "idea", "AssertionError: Torch"),
        ("OSError: [Errno 24] Too many open files: '/data/x'", "idea", "too many open files"),
        (
            "FileNotFoundError: [Errno 2] No such file or directory: 'data.bin'",
            "idea",
            "FileNotFoundError",
        ),
        (
            "huggingface_hub.errors.RepositoryNotFoundError: 401 Client Error. (Request ID: Root=1)",
            "idea",
            "huggingface_hub.errors.Repo",
        ),
        (
            "requests.exceptions.HTTPError: 404 Client Error: Not Found for url: https://huggingface.co/x",
            "idea",
            "requests.exceptions.HTTPError: 404",
        ),
        (
            "torch._dynamo.exc.Unsupported: call_function\ntrain.py:3 in f: f()",
            "idea",
            "torch._dynamo.exc.Unsupported",
        ),
        # the machine
        (
            OOM.format("Process 1234 has 60.00 GiB memory in use. "),
            "machine",
            "GPU memory held by another process",
        ),
        (
            "torch.AcceleratorError: CUDA error: CUDA-capable device(s) is/are busy or unavailable",
            "machine",
            "GPU busy",
        ),
        (
            "RuntimeError: CUDA error: all CUDA-capable devices are busy or unavailable",
            "machine",
            "GPU busy",
        ),
        (
            "OSError: [Errno 28] No space left on device: 'ckpt.pt'",
            "machine",
            "disk full: OSError: [Errno 28]",
        ),
        ("OSError: [Errno 122] Disk quota exceeded", "machine", "disk full"),
        (
            "RuntimeError: [enforce fail at inline_container.cc:595] . PytorchStreamWriter failed writing file data/3",
            "machine",
            "disk full",
        ),
        (
            "RuntimeError: unable to write to file </torch_12_34_5>: No space left on device (28)",
            "machine",
            "shared memory full",
        ),
        (
            "RuntimeError: DataLoader worker (pid 9) is killed by signal: Bus error. It is possible that dataloader's workers are out of shared memory.",
            "machine",
            "shared memory full",
        ),
        (
            "ERROR: Unexpected bus error encountered in worker. This might be caused by insufficient shared memory (shm).",
            "machine",
            "shared memory full",
        ),
        ("OSError: [Errno 30] Read-only file system: 'x'", "machine", "disk error"),
        ("OSError: [Errno 116] Stale file handle", "machine", "disk error"),
        (
            "RuntimeError: CUDA error: uncorrectable ECC error encountered",
            "machine",
            "GPU or driver failure",
        ),
        (
            "RuntimeError: CUDA unknown error - this may be due to an incorrectly set up environment",
            "machine",
            "GPU or driver failure",
        ),
        ("RuntimeError: No CUDA GPUs are available", "machine", "GPU or driver failure"),
        (
            "RuntimeError: Found no NVIDIA driver on your system.",
            "machine",
            "GPU or driver failure",
        ),
        (
            "Failed to initialize NVML: Driver/library version mismatch",
            "machine",
            "GPU or driver failure",
        ),
        (
            "NVRM: Xid (PCI:0000:65:00): 79, GPU has fallen off the bus.",
            "machine",
            "GPU or driver failure",
        ),
        (
            "RuntimeError: Unable to initialize backend 'cuda': FAILED_PRECONDITION",
            "machine",
            "GPU or driver failure",
        ),
        (
            "E0000 cuda_driver.cc:266] failed call to cuInit: CUDA_ERROR_UNKNOWN: unknown error",
            "machine",
            "GPU or driver failure",
        ),
        (
            "torch.distributed.DistNetworkError: The server socket has failed to listen: EADDRINUSE, address already in use",
            "machine",
            "port in use",
        ),
        (
            "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='huggingface.co', port=443): Max retries exceeded",
            "machine",
            "network",
        ),
        ("socket.gaierror: [Errno -3] Temporary failure in name resolution", "machine", "network"),
        (
            "huggingface_hub.errors.LocalEntryNotFoundError: An error happened while trying to locate the file",
            "machine",
            "network",
        ),
        (
            "OSError: We couldn't connect to 'https://huggingface.co' to load this file",
            "machine",
            "network",
        ),
        (
            "requests.exceptions.HTTPError: 503 Server Error: Service Unavailable for url",
            "machine",
            "network",
        ),
        ("urllib.error.HTTPError: HTTP Error 503: Service Unavailable", "machine", "network"),
        ("ConnectionResetError: [Errno 104] Connection reset by peer", "machine", "network"),
        (
            "torch.distributed.DistBackendError: NCCL error: ncclSystemError: System call (e.g. socket, malloc) failed",
            "machine",
            "network",
        ),
    ],
)
def test_a_real_message_is_put_to_the_right_account(tail: str, kind: str, starts: str) -> None:
    found = crash(tail)
    assert (found.kind, found.reason[: len(starts)]) == (kind, starts)
    assert len(found.reason) <= 200
    assert "\n" not in found.reason


def test_a_signal_is_explained_by_the_log_where_it_can_be() -> None:
    tail = "terminate called after throwing an instance of 'std::bad_alloc'\nAborted (core dumped)"
    assert crash(tail, outcome_kind="signalled", exit_code=None, signal=6).reason == "out of memory"
    tail = "OSError: [Errno 28] No space left on device"
    assert crash(tail, exit_code=0).kind == "machine"
