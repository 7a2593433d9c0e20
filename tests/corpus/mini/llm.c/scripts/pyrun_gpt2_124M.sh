torchrun --standalone --nproc_per_node=8 train_gpt2.py \
    --input_bin "dev/data/fineweb10B/fineweb_train_*.bin" --input_val_bin "dev/data/fineweb10B/fineweb_val_*.bin" \
    --val_loss_every 250 --output_dir pylog_gpt2_124M --write_tensors 0 --model d12 --batch_size 32 \
    --num_iterations 18865 --overfit_single_batch 0
