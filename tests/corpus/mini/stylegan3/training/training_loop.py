import json, os, pickle, time
import torch
from metrics import metric_main
from . import augment, dataset, loss, networks_stylegan3


def training_loop(run_dir, data, batch, gamma, kimg, tick, snap, seed, metrics, **_):
    torch.manual_seed(seed)
    rows = dataset.ImageFolderDataset(data)
    G, D = networks_stylegan3.Generator(), networks_stylegan3.Discriminator()
    stats = open(os.path.join(run_dir, 'stats.jsonl'), 'wt')
    nimg, ticks, t0 = 0, 0, time.time()
    while True:
        values = loss.step(G, D, augment.pipe(rows.batch(batch)), gamma)
        nimg += batch
        done = nimg >= kimg * 1000
        if not done and ticks and nimg < ticks * tick * 1000:
            continue
        print(' '.join([f"tick {ticks:<5d}", f"kimg {nimg / 1e3:<8.1f}", f"time {time.time() - t0:<12.0f}", f"sec/tick {1.0:<7.1f}", f"gpumem {1.0:<6.2f}", f"augment {0.1:.3f}"]))
        if done or ticks % snap == 0:
            pkl = os.path.join(run_dir, f'network-snapshot-{nimg // 1000:06d}.pkl')
            pickle.dump(dict(G=G, D=D), open(pkl, 'wb'))
            print('Evaluating metrics...')
            for m in metrics.split(','):
                metric_main.report_metric(metric_main.calc_metric(m, G=G, data=rows), run_dir=run_dir, snapshot_pkl=pkl)
        stats.write(json.dumps(values) + '\n')
        ticks += 1
        if done:
            break
