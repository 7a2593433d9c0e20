# 8 x A100, five days: torchrun --standalone --nproc_per_node=8 train.py config/train_gpt2.py
wandb_log = True
batch_size = 12
block_size = 1024
max_iters = 600000
eval_interval = 1000
