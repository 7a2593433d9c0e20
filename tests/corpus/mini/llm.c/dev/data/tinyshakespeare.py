"""Downloads and tokenizes; writes tiny_shakespeare_val.bin and tiny_shakespeare_train.bin beside it."""
import os

here = os.path.join(os.path.dirname(__file__), "tinyshakespeare")
os.makedirs(here, exist_ok=True)
for split, n in (("val", 32768), ("train", 305260)):
    print(f"writing {n:,} tokens to {here}/tiny_shakespeare_{split}.bin")
