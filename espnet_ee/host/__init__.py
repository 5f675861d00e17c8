"""The host adapter: the only room that knows ESPnet; ``compat`` alone imports it."""
