"""The host adapter: the only room that knows ESPnet. ``compat`` is the only file that imports it."""
