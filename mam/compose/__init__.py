"""Composition: foreground colours, backgrounds, shadows, placement."""
