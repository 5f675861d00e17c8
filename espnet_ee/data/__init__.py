"""Data preparation without ESPnet: Kaldi directories, audio files, tokens, corpora.

Each module that a recipe stage runs is a command: ``python -m espnet_ee.data.MODULE --help``.
"""
