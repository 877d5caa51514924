"""The one thing that pyproject.toml cannot say: the suites of `suites/` are installed as the package's `shipped`."""

from __future__ import annotations

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["ganbench", "ganbench.*"]), "ganbench.shipped"],
    package_dir={"ganbench.shipped": "suites"},
    package_data={"ganbench.shipped": ["*.toml"], "ganbench.report.page": ["page.*"]},
)
