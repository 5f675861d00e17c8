#!/usr/bin/env bash
# Where the corpus is: the folder TEDLIUM_release-3, with legacy/ and data/. Empty: stage 1 downloads it.
export TEDLIUM3="${TEDLIUM3:-}"
