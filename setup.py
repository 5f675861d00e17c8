"""Package metadata; tools are configured in pyproject.toml."""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent


def read_version() -> str:
    """The version string of espnet_ee/version.py, read as text: importing would need torch."""
    text = (ROOT / "espnet_ee" / "version.py").read_text(encoding="utf-8")
    match = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if match is None:
        raise RuntimeError('espnet_ee/version.py has no line __version__ = "..."')
    return match.group(1)


# One ESPnet release per Python, and the one torch pair that suits both, named exactly: with
# looser bounds pip downloads one torch wheel after another to find a pair that fits, and
# torchaudio 2.11.1 cannot be imported beside torch 2.11.0.
# ESPnet pins sentencepiece itself, differently in each release.
HOST = [
    'espnet==202511; python_version < "3.12"',
    'espnet[asr]==202611; python_version >= "3.12"',
    "torch==2.11.0",
    "torchaudio==2.11.0",
]
DIRECT = [
    "jiwer>=4.0,<5",
    "numpy>=2.0",
    "pyyaml>=6.0",
    "rapidfuzz",
    "scikit-learn>=1.3",
    "scipy>=1.15",
    "sentencepiece",
    "soundfile>=0.12.1",
    "tqdm",
]
# vl-convert has Vega and Vega-Lite inside, which the page takes along: it needs no network.
REPORT = ["matplotlib>=3.8", "vl-convert-python>=1.9,<2"]
# Reads model.safetensors in Hugging Face folders; pytorch_model.bin needs nothing more.
HUGGINGFACE = ["safetensors>=0.4"]
# torchaudio's CTC beam search with lexicon and KenLM, which the wheels have inside; none for 3.13.
BEAM = ['flashlight-text>=0.0.7; python_version < "3.13"']
# ESPnet's downloader of models by their tags, and what sends one there.
HUB = ["espnet-model-zoo>=0.1.7", "huggingface_hub>=0.23"]
# Not espnet[train]: 202511's pins pillow==9.5.0, 202611's brings W&B, Dask and Lightning.
TRAIN = ["tensorboard", *REPORT]
TEST = ["packaging", "pytest>=8.0", "selenium>=4", *REPORT, *BEAM]
DEV = ["mypy>=1.10", "pre-commit", "ruff>=0.8", "types-PyYAML", "types-tqdm", *TEST]

setup(
    name="espnet-ee",
    version=read_version(),
    description="Early-exit speech recognition as an ESPnet plug-in",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    keywords="speech recognition, early exit, dynamic depth, ESPnet, CTC, Conformer",
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Multimedia :: Sound/Audio :: Speech",
    ],
    python_requires=">=3.11,<3.14",
    packages=find_packages(include=["espnet_ee", "espnet_ee.*"]),
    package_data={
        "espnet_ee": ["py.typed"],
        "espnet_ee.report.page": ["*.html", "*.css", "*.js"],
    },
    install_requires=HOST + DIRECT,
    extras_require={
        "train": TRAIN,
        "beam": BEAM,
        "report": REPORT,
        "huggingface": HUGGINGFACE,
        "hub": HUB,
        "test": TEST,
        "dev": DEV,
    },
    entry_points={"console_scripts": ["espnet-ee = espnet_ee.bin.main:main"]},
)
