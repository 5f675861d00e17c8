"""Neural building blocks in plain torch, under ESPnet's parameter names so that its weights load."""
