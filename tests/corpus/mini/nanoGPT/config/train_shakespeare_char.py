# tiny character model; it will overfit, so evaluate often and save only when val gets better
out_dir = 'out-shakespeare-char'
eval_interval = 250
eval_iters = 200
log_interval = 10
always_save_checkpoint = False
wandb_log = False
dataset = 'shakespeare_char'
gradient_accumulation_steps = 1
batch_size = 64
block_size = 256
n_layer = 6
dropout = 0.2
learning_rate = 1e-3
max_iters = 5000
lr_decay_iters = 5000
