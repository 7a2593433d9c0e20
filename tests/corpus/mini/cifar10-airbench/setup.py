from setuptools import find_packages, setup

setup(name='airbench', version='0.1.9', packages=find_packages())
