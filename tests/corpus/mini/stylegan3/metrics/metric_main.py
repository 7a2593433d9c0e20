import json, os, time
from . import frechet_inception_distance

_known = {}


def register_metric(fn):
    _known[fn.__name__] = fn
    return fn


def is_valid_metric(name):
    return name in _known


def calc_metric(metric, **kw):
    t = time.time()
    return dict(results=_known[metric](**kw), metric=metric, total_time=time.time() - t, num_gpus=1)


def report_metric(result, run_dir=None, snapshot_pkl=None):
    line = json.dumps(dict(result, snapshot_pkl=os.path.basename(snapshot_pkl or ''), timestamp=time.time()))
    print(line)
    if run_dir is not None:
        with open(os.path.join(run_dir, f'metric-{result["metric"]}.jsonl'), 'at') as f:
            f.write(line + '\n')


@register_metric
def fid50k_full(**kw):
    return dict(fid50k_full=frechet_inception_distance.compute_fid(num_gen=50000, **kw))


@register_metric
def kid50k_full(**kw):
    return dict(kid50k_full=frechet_inception_distance.compute_fid(num_gen=1000, **kw) / 1e3)
