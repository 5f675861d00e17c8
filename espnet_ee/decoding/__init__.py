"""Log-probabilities to tokens, at every exit or at the first that is good enough."""
