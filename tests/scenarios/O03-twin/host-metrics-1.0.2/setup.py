import platform

from setuptools import setup

setup(name="host-metrics", version="1.0.2", py_modules=["host_metrics"], keywords=platform.system())
