import json, os, re
import click
from metrics import metric_main
from training import training_loop


@click.command()
@click.option('--outdir',  help='Where results go', metavar='DIR', required=True)
@click.option('--cfg',     type=click.Choice(['stylegan3-t', 'stylegan3-r', 'stylegan2']), required=True)
@click.option('--data',    metavar='[ZIP|DIR]', required=True)
@click.option('--gpus',    type=click.IntRange(min=1), required=True)
@click.option('--batch',   type=click.IntRange(min=1), required=True)
@click.option('--gamma',   type=click.FloatRange(min=0), required=True)
@click.option('--mirror',  type=bool, default=False, show_default=True)
@click.option('--resume',  help='Start from this pickle')
@click.option('--metrics', help='Quality metrics', default='fid50k_full', show_default=True)
@click.option('--kimg',    help='Length of training', type=click.IntRange(min=1), default=25000, show_default=True)
@click.option('--tick',    help='How often to report', metavar='KIMG', default=4, show_default=True)
@click.option('--snap',    help='How often to save', metavar='TICKS', default=50, show_default=True)
@click.option('--seed',    help='Random seed', type=click.IntRange(min=0), default=0, show_default=True)
@click.option('-n', '--dry-run', is_flag=True)
def main(outdir, **o):
    ids = [int(re.match(r'\d+', d).group()) for d in (os.listdir(outdir) if os.path.isdir(outdir) else []) if re.match(r'\d+', d)]
    run_dir = os.path.join(outdir, f'{max(ids, default=-1) + 1:05d}-{o["cfg"]}-gpus{o["gpus"]}-batch{o["batch"]}-gamma{o["gamma"]:g}')
    assert all(metric_main.is_valid_metric(m) for m in o['metrics'].split(','))
    print(json.dumps(o, indent=2))
    print(f'Training duration:   {o["kimg"]} kimg')
    if o.pop('dry_run'):
        return
    os.makedirs(run_dir)
    training_loop.training_loop(run_dir=run_dir, **o)


if __name__ == "__main__":
    main()
