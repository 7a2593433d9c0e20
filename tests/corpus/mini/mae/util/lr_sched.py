def adjust(opt, step):
    for g in opt.param_groups:
        g["lr"] *= 0.9999
