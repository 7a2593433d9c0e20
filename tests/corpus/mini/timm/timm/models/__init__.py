from .resnet import resnet50


def create_model(name):
    return {"resnet50": resnet50}[name]()
