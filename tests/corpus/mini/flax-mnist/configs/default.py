import ml_collections


def get_config():
    return ml_collections.ConfigDict(dict(learning_rate=0.1, momentum=0.9, batch_size=128, num_epochs=10))
