#!/usr/bin/env bash
# Where the corpus is: the folder that holds train-clean-100, dev-clean and so on, or the one above, with LibriSpeech in it.
# Empty: stage 1 downloads the parts it needs, from these servers in turn.
export LIBRISPEECH="${LIBRISPEECH:-}"
default=$(printf 'https://%s/resources ' www.openslr.org us.openslr.org openslr.elda.org openslr.magicdatatech.com)
export OPENSLR="${OPENSLR:-${default}}"
