# export WANDB_ENTITY=openrlbenchmark
xvfb-run -a uv run python -m cleanrl_utils.benchmark \
    --env-ids CartPole-v1 Acrobot-v1 \
    --command "uv run python cleanrl/ppo.py --track --capture_video" \
    --num-seeds 3 --workers 9 --slurm-template-path benchmark/cleanrl_1gpu.slurm_template
