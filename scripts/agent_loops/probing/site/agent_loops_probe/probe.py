"""The probe: which steps are looked at, what is asked of them, and what it costs.

A step is what lies between two calls of `step` of the first optimizer, or of one that goes on with
its weights. Most are only counted; a step that is looked at has hooks on its modules, and stamps
between its phases. No model and no optimizer is kept alive.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib
import math
import os
import signal
import sys
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

from . import batches, recording
from .activations import Activations
from .files import Files
from .gradients import Gradients
from .losses import Losses
from .names import Names, plain
from .pace import FULL, HELD_OUT, LIGHT, PART, Pace

_FLUSH_S = 2.0
_TOLD_S = 10.0
_STEPS = 2000
_PARTS = 4
_ALARMS = 8
_RISEN = 3.0  # times what it was of late
_LATELY = 0.1
_PASSES_WITHOUT_TRAINING = 64
_PASSES_OF_A_STEP = 512  # and backwards
_RETIRED = 64  # steps of other optimizers
_OPTIMIZERS = 8
_MOST_BACKWARDS = 1024  # of one step; without an optimizer of torch's they would never end


class Probe:
    """One process's probe. `attach` it to torch; it ends itself."""

    def __init__(self, torch: Any, files: Files) -> None:
        self._torch, self._files, self._pace = torch, files, Pace()
        self._activations, self._gradients = Activations(torch), Gradients(torch)
        self._losses = Losses(torch)
        self._off, self._looking, self._own_before_s = False, "", 0.0
        self._step, self._stride, self._alarms, self._passes = 0, 1, 0, 0
        self._main: Callable[[], Any] | None = None  # a weak reference; None: nothing is trained
        self._others = 0
        self._began_s = self._flushed_s = self._told_s = time.perf_counter()
        self._steps: list[list[Any]] = []
        self._backwards: deque[Any] = deque(maxlen=_MOST_BACKWARDS)
        self._lately: float | None = None
        self._risen = False
        self._scaled: Any = None
        self._rows, self._order = 0, -1
        self._stamps: list[tuple[str, float, float]] = []
        self._evaluating_s = 0.0
        self._entered: tuple[float, float, bool] | None = None
        self._known: Any = weakref.WeakSet()
        self._optimizers: list[dict[str, Any]] = []
        self._trained: set[int] = set()
        self._root: Callable[[], Any] = lambda: None  # the outermost module that was seen
        self._names = Names()
        self._parameters: list[tuple[int, dict[str, Any]]] = []
        self._are_told = True
        self._facts: dict[str, Any] = {
            "torch": torch.__version__, "compiled": False, "dropout_without_gradient": 0,
            "batchnorm_without_gradient": 0,
        }  # fmt: skip

    # What is hooked.

    def attach(self) -> None:
        torch, optimizer = self._torch, importlib.import_module("torch.optim.optimizer")
        optimizer.register_optimizer_step_pre_hook(self._guarded(self._before_step))
        optimizer.register_optimizer_step_post_hook(self._guarded(self._after_step))
        self._wrap(torch.Tensor, "backward", self._backward)
        self._wrap(torch, "compile", self._compile)
        self._wrap(torch.nn.functional, "cross_entropy", self._cross_entropy)
        self._wrap(torch.nn.functional, "dropout", self._dropout)
        self._wrap(torch.nn.functional, "batch_norm", self._batch_norm)
        scaler = getattr(getattr(torch, "amp", None), "GradScaler", None)
        if scaler is not None:
            self._wrap(scaler, "scale", self._scale)
        atexit.register(self._guarded(self._finish))
        self._look(FULL)

    def _wrap(self, owner: Any, name: str, around: Callable[..., Any]) -> None:
        """For good: a model may hold it, and is pickled by its name."""
        original = getattr(owner, name)
        torch = self._torch

        @functools.wraps(original)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if recording.is_on(torch) or self._off:
                return original(*args, **kwargs)
            return around(original, args, kwargs)

        # As torch marks its own wrappers: TorchScript compiles the original.
        wrapper.__dict__.update({"__script_if_tracing_wrapper": True, "__original_fn": original})
        setattr(owner, name, wrapper)

    def _guarded(self, ours: Callable[..., None]) -> Callable[..., None]:
        def call(*args: Any, **kwargs: Any) -> None:
            if not self._off and not recording.is_captured(self._torch):
                try:
                    ours(*args, **kwargs)
                except Exception as error:  # noqa: BLE001
                    self._give_up(error)

        return call

    def _give_up(self, error: Exception | None = None) -> None:
        if error is not None and _is_of_a_signal(error):
            raise error  # it is the training's, and came while we were at work
        self._off = True
        self._activations.stop()
        self._gradients.clear()
        with contextlib.suppress(Exception):  # a folder that is gone, a full disk
            if error is not None and self._files.mine:
                said = "the probe stopped at step %d: %s: %s"
                self._files.note(said % (self._step, type(error).__name__, error))

    # Around what the training calls; the original is called whatever we do.

    def _compile(self, original: Any, args: Any, kwargs: Any) -> Any:
        if not self._facts["compiled"]:
            self._facts["compiled"] = True
            self._activations.stop()
            self._guarded(self._files.note)(
                "torch.compile: the layers' activations are not sampled, hooks would recompile"
            )
        return original(*args, **kwargs)

    def _scale(self, original: Any, args: Any, kwargs: Any) -> Any:
        outputs = _argument(args, kwargs, 1, "outputs")
        self._scaled = outputs.detach() if isinstance(outputs, self._torch.Tensor) else None
        return original(*args, **kwargs)

    def _backward(self, original: Any, args: Any, kwargs: Any) -> Any:
        self._guarded(self._before_backward)(_argument(args, kwargs, 0, "self"))
        try:
            return original(*args, **kwargs)
        finally:
            if self._looking:
                self._guarded(self._stamp)("backward")

    def _cross_entropy(self, original: Any, args: Any, kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        self._guarded(self._after_cross_entropy)(args, kwargs)
        return result

    def _dropout(self, original: Any, args: Any, kwargs: Any) -> Any:
        training = _argument(args, kwargs, 2, "training", default=True)
        if training and not self._torch.is_grad_enabled():
            self._guarded(self._count)("dropout", _argument(args, kwargs, 1, "p", default=0.5))
        return original(*args, **kwargs)

    def _batch_norm(self, original: Any, args: Any, kwargs: Any) -> Any:
        if not self._torch.is_grad_enabled() and _argument(args, kwargs, 5, "training"):
            learns = _argument(args, kwargs, 1, "running_mean") is not None
            self._guarded(self._count)("batchnorm", learns)
        return original(*args, **kwargs)

    def _count(self, what: str, share: Any) -> None:
        """A pass without gradients in training mode; unless nothing comes of it."""
        name = f"{what}_without_gradient"
        if share > 0 and not (self._facts[name] < 50 and _is_checkpointing()):
            self._facts[name] += 1

    # A step.

    def _look(self, kind: str) -> None:
        self._looking, self._own_before_s = kind, self._pace.own_cpu_s
        self._stamps, self._evaluating_s, self._entered = [], 0.0, None
        self._order, self._passes = -1, 0
        self._stamp("begin")
        if not self._facts["compiled"]:
            self._activations.start(self._enter, self._leave, self._give_up)

    def _stamp(self, name: str) -> None:
        with self._pace:
            if self._torch.cuda.is_available() and self._torch.cuda.is_initialized():
                self._torch.cuda.synchronize()
            now_s = time.perf_counter()
            self._stamps.append((name, now_s, self._pace.own_s))

    def _enter(self, module: Any, args: Any) -> None:
        """A pass through a whole model begins."""
        training = self._torch.is_grad_enabled() and module.training
        if training and not any(name == "forward" for name, _, _ in self._stamps):
            self._stamp("forward")
            if self._root() is None:
                self._root = weakref.ref(module)
        self._entered = (time.perf_counter(), self._pace.own_s, training)
        if training or self._main is None:
            self._wait_no_longer()
        if training and self._looking:
            with self._pace:
                self._batch("inputs", args[0] if args else None)
                self._rows = len(args[0]) if args and hasattr(args[0], "shape") else 0

    def _wait_no_longer(self) -> None:
        """Ends a look where so many passes saw no step of an optimizer's."""
        self._passes += 1
        most = _PASSES_WITHOUT_TRAINING if self._main is None else _PASSES_OF_A_STEP
        if self._passes > most:
            self._look_away()

    def _look_away(self) -> None:
        """Ends a look that no step will end."""
        self._activations.stop()
        self._gradients.clear()
        self._looking, self._stamps, self._entered = "", [], None

    def _leave(self, module: Any, args: Any, output: Any, depth: int) -> None:
        if self._entered is None:
            return
        with self._pace:
            self._order += 1
            if self._entered[2] and self._is_due(self._order):
                self._activations.look(self._order, module, args, output)
        if depth == 0:
            entered_s, own_s, training = self._entered
            if not training:
                now_s = time.perf_counter()
                self._evaluating_s += now_s - entered_s - (self._pace.own_s - own_s)

    def _batch(self, what: str, tensor: Any) -> None:
        if not hasattr(tensor, "reshape") or not hasattr(tensor, "is_complex"):
            return
        found = batches.figures(self._torch, tensor)
        if found is not None:
            mean, variance = found[0].tolist()
            self._files.row("batches", (self._step, what, found[1], mean, variance))

    def _after_cross_entropy(self, args: Any, kwargs: Any) -> None:
        logits = _argument(args, kwargs, 0, "input")
        targets = _argument(args, kwargs, 1, "target")
        training = self._torch.is_grad_enabled() and logits.requires_grad
        if training and not self._looking:
            return
        if not training and not self._pace.may_look(HELD_OUT):
            return
        before_s = self._pace.own_cpu_s
        with self._pace:
            self._losses.look(logits, targets, kwargs.get("ignore_index", -100), training=training)
            if training and len(targets) == self._rows:  # else its rows were laid end to end
                self._batch("targets", targets)
        if not training:
            self._pace.looked(HELD_OUT, self._pace.own_cpu_s - before_s)

    def _before_backward(self, loss: Any) -> None:
        if self._looking:
            self._stamp("loss")
        if self._scaled is not None:
            loss, self._scaled = self._scaled, None
        if loss.numel() != 1:
            return
        if self._looking:
            self._wait_no_longer()
        value = loss.detach()
        self._backwards.append(value if value.is_cuda else float(value))

    def _before_step(self, optimizer: Any, *_: Any) -> None:
        if not self._files.mine:
            self._give_up()
            return
        if self._main is None:
            self._main = weakref.ref(optimizer)
            self._meet(optimizer)
            self._pace.begin_training()
        elif self._main() is optimizer:
            self._others = 0
        else:
            self._meet(optimizer)
            self._succeed(optimizer)
        if self._looking and self._main() is optimizer:
            self._stamp("optimizer")
        if self._looking in (FULL, PART):
            with self._pace:
                self._gradients.before(optimizer, self._is_due)

    def _meet(self, optimizer: Any) -> None:
        if len(self._optimizers) < _OPTIMIZERS and optimizer not in self._known:
            self._known.add(optimizer)
            self._optimizers.append(_described(optimizer))
            self._trained |= {id(weight) for weight in _weights(optimizer)}
            self._are_told = False

    def _succeed(self, optimizer: Any) -> None:
        """Where the one whose steps were counted has retired, another is followed, if it goes on
        with the same weights; another model is another training."""
        assert self._main is not None
        self._others += 1
        is_gone = self._main() is None
        if not is_gone and self._others != _RETIRED:
            return
        if not self._names or any(self._names.of(w) is not None for w in _weights(optimizer)):
            self._main, self._others = weakref.ref(optimizer), 0
        elif is_gone:
            said = "the model was gone after step %d: what was trained after it is not sampled"
            self._files.note(said % self._step)
            self._finish()
            self._give_up()
        else:
            self._look_away()

    def _after_step(self, optimizer: Any, *_: Any) -> None:
        if self._main is None or self._main() is not optimizer:
            return
        if self._looking:
            self._stamp("end")
            self._take()
        with self._pace:
            self._record(optimizer)
            self._step += 1
        kind = FULL if self._is_alarming() else self._affordable()
        if kind:
            self._look(kind)

    def _affordable(self) -> str:
        """How the next step may be looked at. Every layer is seen once early, whatever it costs:
        at the steps 4, 16, 64 and 256 a quarter of them."""
        parts = self._pace.looks[PART]
        if parts < _PARTS:
            return PART if self._step >= 4 ** (parts + 1) else self._pace.may_look(LIGHT)
        return self._pace.may_look(PART, LIGHT)

    def _is_due(self, place: int) -> bool:
        """Whether it is the turn of the layer, or parameter, at that place."""
        turn = self._pace.looks[PART] % _PARTS
        return self._looking == FULL or (self._looking == PART and place % _PARTS == turn)

    def _take(self) -> None:
        """Reads back what this step showed."""
        with self._pace:
            kind, self._looking = self._looking, ""
            self._name()
            files = self._files
            for row in self._gradients.rows(self._step, self._name_of):
                files.row("gradients", row)
            for row in self._activations.rows(self._step, self._names.of):
                files.row("activations", row)
            self._activations.stop()
            for row in self._losses.rows(self._step):
                files.row("losses", row)
            if self._step:  # before the first everything was warming up
                files.row("phases", [self._step, *self._phases()])
        self._pace.looked(kind, self._pace.own_cpu_s - self._own_before_s)

    def _phases(self) -> list[float]:
        """Seconds of data, forward, backward, optimizer and evaluation."""
        spent = {"loss": 0.0, "backward": 0.0, "optimizer": 0.0, "end": 0.0, "forward": 0.0}
        for (_, from_s, own), (name, until_s, own_then) in zip(self._stamps, self._stamps[1:]):
            spent[name] += until_s - from_s - (own_then - own)
        data_s = max(0.0, spent["forward"] - self._evaluating_s)
        if not any(name == "forward" for name, _, _ in self._stamps):
            data_s = 0.0  # no pass was seen to begin: it is told with the forward phase
        # The time until an optimizer's step is that of clipping and the like: the optimizer's.
        return [
            data_s, spent["loss"], spent["backward"], spent["end"] + spent["optimizer"],
            self._evaluating_s,
        ]  # fmt: skip

    def _record(self, optimizer: Any) -> None:
        losses = list(self._backwards)
        self._backwards.clear()
        now_s = time.perf_counter()
        if self._step % self._stride == 0:
            rate = optimizer.param_groups[0].get("lr", 0.0)
            if isinstance(rate, self._torch.Tensor):
                rate = rate.detach().clone()  # read back later: that may wait for the device
            self._steps.append([self._step, now_s - self._began_s, losses, rate])
        if self._step > _STEPS * self._stride:
            self._stride *= 2
        if losses and isinstance(losses[-1], float):
            self._watch(self._step, losses[-1])
        if now_s - self._flushed_s > _FLUSH_S:
            self._flush(now_s)

    def _watch(self, step: int, loss: float) -> None:
        if not math.isfinite(loss):
            self._facts.setdefault("first_non_finite_loss_step", step)
            self._risen = True
            return
        lately = loss if self._lately is None else self._lately
        self._risen = loss > _RISEN * abs(lately) + 1e-3
        self._lately = lately + _LATELY * (loss - lately)

    def _is_alarming(self) -> bool:
        """Where the loss goes astray the next step is looked at whatever it costs, a few times."""
        if not self._risen or self._alarms >= _ALARMS:
            return False
        self._alarms += 1
        return True

    # What is told.

    def _flush(self, now_s: float) -> None:
        self._flushed_s = now_s
        steps, self._steps = self._steps, []
        for step, at_s, losses, rate in steps:
            values = [float(loss) for loss in losses]
            mean = sum(values) / len(values) if values else ""
            if losses and not isinstance(losses[-1], float):
                self._watch(step, values[-1])  # read back from the device only now
            self._files.row("steps", (step, at_s, mean, float(rate), len(values)))
        self._files.flush()
        if now_s - self._told_s > _TOLD_S or self._told_s == self._began_s:
            self._told_s = now_s
            self._tell()

    def _tell(self) -> None:
        torch, facts = self._torch, self._facts
        facts.update(
            steps=self._step, looks=self._pace.looks, own_s=round(self._pace.own_cpu_s, 4),
            seconds=round(time.perf_counter() - self._began_s, 3),
            optimizers=self._optimizers,
        )  # fmt: skip
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            facts["device"] = torch.cuda.get_device_name()
            facts["peak_allocated_mib"] = torch.cuda.max_memory_allocated() / 2**20
            facts["total_memory_mib"] = torch.cuda.get_device_properties(0).total_memory / 2**20
        self._files.replace("probe.json", facts)
        found = self._losses.classes()
        if found is not None:
            self._files.replace("classes.json", found)
        self._tell_parameters()

    def _finish(self) -> None:
        if self._main is None or not self._files.mine:
            return
        for row in self._losses.rows(self._step):
            self._files.row("losses", row)
        self._told_s = self._began_s
        self._flush(time.perf_counter())

    def _name(self) -> None:
        """Names the layers and weights of the model, once."""
        root = self._root()
        if root is None and not self._names:
            root = self._found_by_its_weights()
        if root is not None and not self._names:
            for name, module in root.named_modules():
                self._names.give(module, plain(name))
            for name, weight in root.named_parameters():
                self._names.give(weight, plain(name))
                self._parameters.append((id(weight), {
                    "name": plain(name), "shape": list(weight.shape), "count": weight.numel(),
                    "requires_grad": bool(weight.requires_grad), "dtype": str(weight.dtype),
                }))  # fmt: skip
        self._tell_parameters()

    def _tell_parameters(self) -> None:
        """Again where another optimizer was met: some of them are its."""
        if self._parameters and not self._are_told:
            self._are_told = True
            table = [{**item, "in_optimizer": at in self._trained} for at, item in self._parameters]
            self._files.replace("parameters.json", table)

    def _found_by_its_weights(self) -> Any:
        """The largest module that holds the optimizer's weights, where none was seen at work."""
        import gc

        best, most = None, 0
        for thing in gc.get_objects():
            if issubclass(type(thing), self._torch.nn.Module):  # a proxy's own class may warn
                count = sum(id(weight) in self._trained for weight in thing.parameters())
                if count > most:
                    best, most = thing, count
        return best

    def _name_of(self, weight: Any) -> str:
        return self._names.of(weight) or "x".join(map(str, weight.shape))


def _weights(optimizer: Any) -> list[Any]:
    return [weight for group in optimizer.param_groups for weight in group["params"]]


def _argument(args: Any, kwargs: Any, place: int, name: str, *, default: Any = None) -> Any:
    return args[place] if len(args) > place else kwargs.get(name, default)


def _described(optimizer: Any) -> dict[str, Any]:
    groups = [
        {
            key: value
            for key, value in group.items()
            if key != "params" and isinstance(value, (int, float, str, bool, tuple, list))
        }
        for group in optimizer.param_groups[:8]
    ]
    return {"kind": type(optimizer).__name__, "groups": groups}


def _is_checkpointing() -> bool:
    """Whether a pass without gradients is one that torch will run again with them."""
    ending = os.path.join("torch", "utils", "checkpoint.py")
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename.endswith(ending):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def _is_of_a_signal(error: Exception) -> bool:
    """Whether a handler of the training's raised it."""
    handlers = {getattr(signal.getsignal(k), "__code__", None) for k in signal.valid_signals()}
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code in handlers:
            return True
        trace = trace.tb_next
    return False
