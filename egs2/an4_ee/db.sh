#!/usr/bin/env bash
# Where the corpus is: the folder that holds etc/ and wav/. Empty: stage 1 downloads it.
export AN4="${AN4:-}"
