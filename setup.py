"""What pyproject.toml cannot say: `suites/` is installed as the package's `shipped`, the bundles of `results/` too."""

from __future__ import annotations

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["ganbench", "ganbench.*"]), "ganbench.shipped", "ganbench.reference"],
    package_dir={"ganbench.shipped": "suites", "ganbench.reference": "results/reference"},
    package_data={
        "ganbench.shipped": ["*.toml"],
        "ganbench.reference": ["*/bundle.parquet"],
        "ganbench.report.page": ["page.*"],
        "ganbench.training": ["*.cpp"],
    },
)
