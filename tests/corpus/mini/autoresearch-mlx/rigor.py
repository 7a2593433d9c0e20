"""Runs train.py a few times and says keep or discard; remembers what it has scored."""
import argparse
import json
import re
import subprocess
from pathlib import Path

LEDGER = Path(__file__).with_name("rigor_ledger.jsonl")
TRAIN_CMD = ["uv", "run", "train.py"]
VAL_RE = re.compile(r"^val_bpb:\s+([\d.]+)", re.M)


def run_once():
    out = subprocess.run(TRAIN_CMD, capture_output=True, text=True).stdout
    print(out)
    m = VAL_RE.search(out)
    return float(m.group(1)) if m else None


def main():
    ap = argparse.ArgumentParser()
    sub = ap.add_subparsers(dest="cmd", required=True)
    r = sub.add_parser("run")
    r.add_argument("desc")
    r.add_argument("--seeds", type=int, default=3)
    sub.add_parser("best")
    a = ap.parse_args()
    if a.cmd == "run":
        for i in range(a.seeds):
            v = run_once()
            print(f"  seed {i + 1}/{a.seeds}: val_bpb {v:.6f}")
            with LEDGER.open("a") as f:
                f.write(json.dumps({"desc": a.desc, "val": v}) + "\n")


main()
