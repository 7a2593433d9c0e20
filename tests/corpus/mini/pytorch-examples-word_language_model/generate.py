import torch

model = torch.load('./model.pt')
with open('generated.txt', 'w') as out:
    for i in range(1000):
        print('| Generated {}/{} words'.format(i, 1000))
