KEYS = ("train/box_loss", "train/obj_loss", "train/cls_loss",
        "metrics/precision", "metrics/recall", "metrics/mAP_0.5", "metrics/mAP_0.5:0.95")


def log_vals_csv(file, epoch, vals):
    n = len(KEYS) + 1
    head = "" if file.exists() else ("%20s," * n % ("epoch", *KEYS)).rstrip(",") + "\n"
    with open(file, "a") as f:
        f.write(head + ("%20.5g," * n % (epoch, *vals)).rstrip(",") + "\n")
