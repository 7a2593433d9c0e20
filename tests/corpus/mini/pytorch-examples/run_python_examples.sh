#!/usr/bin/env bash
# continuous integration: every example for one short pass
for e in mnist vae gcn word_language_model; do
  (cd $e && uv run main.py --epochs 1 --dry-run) || echo "$e failed"
done
