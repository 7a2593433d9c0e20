export NANOCHAT_BASE_DIR="$HOME/.cache/nanochat"
uv sync --extra gpu && source .venv/bin/activate
[ -z "$WANDB_RUN" ] && WANDB_RUN=dummy
python -m nanochat.dataset -n 170
python -m scripts.tok_train
torchrun --standalone --nproc_per_node=8 -m scripts.base_train -- --depth=24 --target-param-data-ratio=8 --device-batch-size=16 --fp8 --run=$WANDB_RUN
torchrun --standalone --nproc_per_node=8 -m scripts.base_eval -- --device-batch-size=16
torchrun --standalone --nproc_per_node=8 -m scripts.chat_sft -- --run=$WANDB_RUN
