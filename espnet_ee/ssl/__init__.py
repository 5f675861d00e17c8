"""Self-supervised backbones: sizes, spans of masks, and readers of the checkpoints they come in."""
