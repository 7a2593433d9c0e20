import argparse, os, random, time
import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from tqdm import tqdm
from dataset import get_df, get_transforms, loader
from models import Effnet_Melanoma
from util import Warmup


def parse_args():
    p = argparse.ArgumentParser()
    p.add_argument('--kernel-type', type=str, required=True)
    p.add_argument('--data-dir', type=str, default='/raid/')
    p.add_argument('--data-folder', type=int, required=True)
    p.add_argument('--image-size', type=int, required=True)
    p.add_argument('--enet-type', type=str, required=True)
    p.add_argument('--batch-size', type=int, default=64)
    p.add_argument('--init-lr', type=float, default=3e-5)
    p.add_argument('--n-epochs', type=int, default=15)
    p.add_argument('--use-amp', action='store_true')
    p.add_argument('--DEBUG', action='store_true')
    p.add_argument('--model-dir', type=str, default='./weights')
    p.add_argument('--log-dir', type=str, default='./logs')
    p.add_argument('--CUDA_VISIBLE_DEVICES', type=str, default='0')
    p.add_argument('--fold', type=str, default='0,1,2,3,4')
    args, _ = p.parse_known_args()
    return args


def set_seed(seed=0):
    random.seed(seed); np.random.seed(seed); torch.manual_seed(seed)


def get_trans(img, i):
    return img.flip(i % 3 + 1) if i else img


def train_epoch(model, rows, opt):
    losses = []
    bar = tqdm(rows)
    for x, y in bar:
        loss = torch.nn.functional.cross_entropy(model(x), y)
        opt.zero_grad(); loss.backward(); opt.step()
        losses.append(loss.item())
        bar.set_description('loss: %.5f, smth: %.5f' % (losses[-1], np.mean(losses[-100:])))
    return np.mean(losses)


def val_epoch(model, rows, mel_idx, is_ext):
    with torch.no_grad():
        pairs = [(model(get_trans(x, 0)), y) for x, y in rows]
    p, t = torch.cat([a for a, _ in pairs]).softmax(1).numpy(), torch.cat([b for _, b in pairs]).numpy()
    acc = (p.argmax(1) == t).mean() * 100.
    auc = roc_auc_score(t == mel_idx, p[:, mel_idx])
    auc_20 = roc_auc_score(t[is_ext == 0] == mel_idx, p[is_ext == 0, mel_idx])
    return -np.log(p[range(len(t)), t]).mean(), acc, auc, auc_20


def run(fold, df, mel_idx):
    if args.DEBUG:
        args.n_epochs = 5
    tr, va = (loader(d, get_transforms(args.image_size)) for d in (df[df['fold'] != fold], df[df['fold'] == fold]))
    model = Effnet_Melanoma(args.enet_type)
    opt = torch.optim.Adam(model.parameters(), lr=args.init_lr)
    sched = Warmup(opt, args.n_epochs)
    auc_max = auc_20_max = 0.
    for epoch in range(1, args.n_epochs + 1):
        train_loss = train_epoch(model, tr, opt)
        val_loss, acc, auc, auc_20 = val_epoch(model, va, mel_idx, df[df['fold'] == fold]['is_ext'].values)
        rate = opt.param_groups[0]["lr"]
        row = f'{time.ctime()} Fold {fold}, Epoch {epoch}, lr: {rate:.7f}, train loss: {train_loss:.5f}, valid loss: {val_loss:.5f}, acc: {acc:.4f}, auc: {auc:.6f}, auc_20: {auc_20:.6f}.'
        print(row)
        with open(os.path.join(args.log_dir, f'log_{args.kernel_type}.txt'), 'a') as f:
            f.write(row + '\n')
        sched.step()
        if auc > auc_max:
            print(f'auc_max ({auc_max:.6f} --> {auc:.6f}). Saving model ...')
            torch.save(model.state_dict(), os.path.join(args.model_dir, f'{args.kernel_type}_best_fold{fold}.pth'))
            auc_max = auc
        if auc_20 > auc_20_max:
            print(f'auc_20_max ({auc_20_max:.6f} --> {auc_20:.6f}). Saving model ...')
            auc_20_max = auc_20


if __name__ == '__main__':
    args = parse_args()
    for folder in (args.model_dir, args.log_dir):
        os.makedirs(folder, exist_ok=True)
    set_seed()
    df, mel_idx = get_df(args.kernel_type, args.data_dir, args.data_folder)
    for fold in [int(i) for i in args.fold.split(',')]:
        run(fold, df, mel_idx)
