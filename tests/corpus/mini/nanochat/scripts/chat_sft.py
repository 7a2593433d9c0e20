"""Finetuning for chat: python -m scripts.chat_sft (needs a pretrained checkpoint)"""
from nanochat.common import compute_init, print0

compute_init()
print0(f"Step {0:05d} | Validation bpb: {1.0:.4f}")
print0(f"Step {0:05d} | ChatCORE: {0.2:.4f} | ChatCORE_cat: {0.2:.4f}")
print0(f"Minimum validation bpb: {1.0:.4f}")
