import tensorflow.keras.layers as layers


class UNet:
    def create_model(self, num_class):
        return layers.Conv2D(num_class, 3)
