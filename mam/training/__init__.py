"""Training: `python -m mam train`. Two stages, one loop: SAM's parts on segments, then M2M on composites."""
