"""Two systems on the same utterances: which errs less, which costs less, and is it chance?"""
