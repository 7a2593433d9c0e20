"""Prints text from a saved model."""
out_dir = 'out'
exec(open('configurator.py').read())
print('---------------')
