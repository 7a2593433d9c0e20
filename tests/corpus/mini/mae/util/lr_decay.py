def layer_groups(model, decay):
    return [{"params": p, "lr_scale": decay} for p in model.parameters()]
