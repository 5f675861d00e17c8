#!/usr/bin/env bash
# Where the corpora are. AN4: etc/ and wav/. LIBRISPEECH: train-clean-5, dev-clean-2 and test-clean-2.
# SPEECHOCEAN: train/ and test/ of speechocean762 (OpenSLR 101).
export AN4="${AN4:-}" LIBRISPEECH="${LIBRISPEECH:-}" SPEECHOCEAN="${SPEECHOCEAN:-}"
