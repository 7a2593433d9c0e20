from taming.data.base import ImagePaths


class CustomTrain(ImagePaths):
    def __init__(self, size, training_images_list_file):
        super().__init__(open(training_images_list_file).read().splitlines(), size)


class CustomTest(ImagePaths):
    def __init__(self, size, test_images_list_file):
        super().__init__(open(test_images_list_file).read().splitlines(), size)
