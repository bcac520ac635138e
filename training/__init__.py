"""Training: `python -m training train`. Two stages, one loop: SAM's parts on segments, then M2M on composites."""
