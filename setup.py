"""Ships the web page, app/, inside the wheel as captioner/page; a package named `app` would collide with others'."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["captioner*"]), "captioner.page"],
    package_dir={"captioner.page": "app"},
)
