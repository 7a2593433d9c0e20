"""A small byte-level GPT in PyTorch, trained for a fixed time. This is the file to edit.

Pre-norm transformer with learned positions. Trains for prepare.TIME_BUDGET seconds on the GPU where
there is one, else on the CPU, then prints val_bpb, bits per byte: lower is better.
"""

import math
import os
import sys
import time

_STARTED_S = time.monotonic()

import prepare  # noqa: E402  (its import is part of what a run takes)
import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

# --- Knobs --------------------------------------------------------------------------------------

DEPTH = 4  # blocks
WIDTH = 64  # of the residual stream
HEADS = 4
CONTEXT = 64  # bytes seen, at most prepare.MAX_SEQ_LEN
DROPOUT = 0.1

BATCH_SIZE = 16  # rows of CONTEXT bytes a step
LEARNING_RATE = 3e-3  # at its highest
BETAS = (0.9, 0.99)
WEIGHT_DECAY = 0.01
GRAD_CLIP = 1.0
WARMUP_STEPS = 50
WARMDOWN = 0.3  # share of the budget in which the learning rate falls to zero

PROGRESS_EVERY = 20  # steps between two updates of the progress line

# --- Model --------------------------------------------------------------------------------------


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, time, WIDTH) → the same shape; each position sees itself and what came before."""
        batch, length, _ = x.shape
        heads = self.qkv(x).view(batch, length, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(heads[0], heads[1], heads[2], is_causal=True)
        return self.proj(mixed.transpose(1, 2).reshape(batch, length, WIDTH))


class MLP(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Linear(WIDTH, 4 * WIDTH)
        self.down = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.relu(self.up(x)))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(WIDTH), Attention()
        self.norm2, self.mlp = nn.LayerNorm(WIDTH), MLP()
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.attention(self.norm1(x)))
        return x + self.dropout(self.mlp(self.norm2(x)))


class GPT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bytes = nn.Embedding(prepare.VOCAB_SIZE, WIDTH)
        self.positions = nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(DEPTH))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, prepare.VOCAB_SIZE, bias=False)
        self.apply(self._begin)

    @staticmethod
    def _begin(module: nn.Module) -> None:
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def forward(self, seen: Tensor) -> Tensor:
        """Bytes (batch, time) → logits of the next byte (batch, time, VOCAB_SIZE)."""
        x = self.bytes(seen) + self.positions.weight[: seen.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


# --- Training -----------------------------------------------------------------------------------


def sample_batch(text: Tensor, step: int) -> tuple[Tensor, Tensor]:
    """Rows from anywhere in the text: (BATCH_SIZE, CONTEXT) bytes, and the same one byte later."""
    starts = torch.randint(len(text) - CONTEXT - 1, (BATCH_SIZE,))
    rows = text[starts[:, None] + torch.arange(CONTEXT + 1)]
    return rows[:, :-1], rows[:, 1:]


def share_of_rate(step: int, progress: float) -> float:
    """The share of LEARNING_RATE at a step, after a share `progress` of the budget."""
    return min(1.0, (step + 1) / WARMUP_STEPS, (1 - progress) / WARMDOWN if WARMDOWN else 1.0)


def train(model: GPT, text: Tensor, device: torch.device) -> tuple[int, float]:
    """Trains until the budget is used up. → steps, seconds. Exits 1 where the loss is lost."""
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=LEARNING_RATE, betas=BETAS, weight_decay=WEIGHT_DECAY
    )
    started_s = time.monotonic()
    step, elapsed_s, smooth = 0, 0.0, math.nan
    model.train()
    while elapsed_s < prepare.TIME_BUDGET:
        progress = elapsed_s / prepare.TIME_BUDGET
        if prepare.MAX_STEPS:
            progress = step / prepare.MAX_STEPS
            if step == prepare.MAX_STEPS:
                break
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * share_of_rate(step, progress)
        inputs, targets = (part.to(device) for part in sample_batch(text, step))
        loss = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), GRAD_CLIP)
        optimizer.step()
        if step % PROGRESS_EVERY == 0:
            value = loss.item()
            if not value < 100:  # also true of NaN
                print("\nFAIL", flush=True)
                sys.exit(1)
            smooth = value if math.isnan(smooth) else 0.8 * smooth + 0.2 * value
            print(
                f"\rstep {step:05d} ({100 * progress:.1f}%) | loss: {smooth:.4f} | "
                f"dt: {1000 * elapsed_s / max(1, step):.1f}ms ",
                end="", flush=True,
            )  # fmt: skip
        step += 1
        elapsed_s = time.monotonic() - started_s
    print(flush=True)
    return step, elapsed_s


def main() -> None:
    seed = os.environ.get("AGENT_LOOPS_SEED")
    if seed:
        torch.manual_seed(int(seed))  # without one every run differs
    torch.set_num_threads(1)  # more are slower on layers this small, and slow the neighbours down
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    text, val = prepare.load()
    model = GPT().to(device)
    steps, training_s = train(model, text, device)
    model.eval()
    val_bpb = prepare.evaluate_bpb(lambda seen: model(seen.to(device)).cpu(), val)
    print("---")
    print(f"val_bpb:          {val_bpb:.6f}")
    print(f"training_seconds: {training_s:.2f}")
    print(f"total_seconds:    {time.monotonic() - _STARTED_S:.1f}")
    if device.type == "cuda":
        print(f"peak_vram_mb:     {torch.cuda.max_memory_allocated() / 2**20:.1f}")
    print(f"num_steps:        {steps}")
    print(f"num_params_M:     {sum(p.numel() for p in model.parameters()) / 1e6:.4f}")
    print(f"depth:            {DEPTH}")


if __name__ == "__main__":
    main()
