import argparse, json, os
import torch
import models_vit
import util.misc as misc
from util.datasets import build_dataset
from engine_finetune import train_one_epoch, evaluate


def get_args_parser():
    p = argparse.ArgumentParser('fine-tuning', add_help=False)
    p.add_argument('--batch_size', default=64, type=int)
    p.add_argument('--epochs', default=50, type=int)
    p.add_argument('--accum_iter', default=1, type=int)
    p.add_argument('--model', default='vit_large_patch16')
    p.add_argument('--lr', type=float, default=None)
    p.add_argument('--blr', type=float, default=1e-3)
    p.add_argument('--finetune', default='', help='start from this checkpoint')
    p.add_argument('--data_path', default='/datasets01/imagenet/', type=str)
    p.add_argument('--output_dir', default='./output_dir')
    p.add_argument('--log_dir', default='./output_dir')
    p.add_argument('--seed', default=0, type=int)
    p.add_argument('--resume', default='')
    p.add_argument('--eval', action='store_true')
    p.add_argument('--dist_eval', action='store_true')
    return p


def main(args):
    torch.manual_seed(args.seed + misc.get_rank())
    train_set, val_set = build_dataset(True, args), build_dataset(False, args)
    args.lr = args.lr or args.blr * args.batch_size * args.accum_iter * misc.get_world_size() / 256
    print("actual lr: %.2e" % args.lr)
    model = getattr(models_vit, args.model)()
    opt = torch.optim.AdamW(model.parameters(), lr=args.lr)
    misc.load_model(args, model)
    if args.eval:
        stats = evaluate(val_set, model)
        print(f"Accuracy of the network on the {len(val_set)} test images: {stats['acc1']:.1f}%")
        return
    print(f"{args.epochs} epochs to go")
    top = 0.0
    for epoch in range(args.epochs):
        train_stats = train_one_epoch(model, train_set, opt)
        misc.save_model(args, epoch, model)
        stats = evaluate(val_set, model)
        print(f"Accuracy of the network on the {len(val_set)} test images: {stats['acc1']:.1f}%")
        top = max(top, stats["acc1"])
        print(f'Max accuracy: {top:.2f}%')
        row = {**{f'train_{k}': v for k, v in train_stats.items()}, **{f'test_{k}': v for k, v in stats.items()}, 'epoch': epoch}
        with open(os.path.join(args.output_dir, "log.txt"), mode="a") as f:
            f.write(json.dumps(row) + "\n")


if __name__ == '__main__':
    args = get_args_parser().parse_args()
    os.makedirs(args.output_dir, exist_ok=True)
    main(args)
