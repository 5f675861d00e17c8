"""Neural building blocks in plain torch, under ESPnet's names so that its weights load."""
