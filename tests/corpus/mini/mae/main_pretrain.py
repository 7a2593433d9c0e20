import argparse, json, os
import torch
import models_mae
import util.misc as misc


def get_args_parser():
    p = argparse.ArgumentParser('pre-training', add_help=False)
    p.add_argument('--epochs', default=400, type=int)
    p.add_argument('--mask_ratio', default=0.75, type=float)
    p.add_argument('--data_path', default='/datasets01/imagenet/')
    p.add_argument('--output_dir', default='./output_dir')
    p.add_argument('--seed', default=0, type=int)
    return p


def main(args):
    torch.manual_seed(args.seed + misc.get_rank())
    model = models_mae.mae_vit_large_patch16()
    for epoch in range(args.epochs):
        log = misc.MetricLogger()
        log.update(loss=model(args.mask_ratio).item())
        print("Averaged stats:", log)
        with open(os.path.join(args.output_dir, "log.txt"), mode="a") as f:
            f.write(json.dumps({'train_loss': log.loss.global_avg, 'epoch': epoch}) + "\n")


if __name__ == '__main__':
    main(get_args_parser().parse_args())
