from .models import BERT_pytorch, resnet18

MODELS = {"BERT_pytorch": BERT_pytorch.Model, "resnet18": resnet18.Model}


def load_model_by_name(part):
    return next(cls for name, cls in MODELS.items() if part in name)
