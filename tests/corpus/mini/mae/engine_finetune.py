import torch
import util.misc as misc
import util.lr_sched as lr_sched


def train_one_epoch(model, loader, opt):
    log = misc.MetricLogger(delimiter="  ")
    for i, (x, y) in enumerate(log.log_every(loader, 20, 'Epoch:')):
        lr_sched.adjust(opt, i)
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward(); opt.step(); opt.zero_grad()
        log.update(loss=loss.item())
    print("Averaged stats:", log)
    return {k: m.global_avg for k, m in log.meters.items()}


@torch.no_grad()
def evaluate(loader, model):
    log = misc.MetricLogger(delimiter="  ")
    for x, y in log.log_every(loader, 10, 'Test:'):
        out = model(x)
        top = out.topk(5).indices.eq(y[:, None])
        log.update(loss=torch.nn.functional.cross_entropy(out, y).item(), acc1=top[:, 0].float().mean().item() * 100, acc5=top.any(1).float().mean().item() * 100)
    print('* Acc@1 {a.global_avg:.3f} Acc@5 {b.global_avg:.3f} loss {c.global_avg:.3f}'.format(a=log.acc1, b=log.acc5, c=log.loss))
    return {k: m.global_avg for k, m in log.meters.items()}
