"""The tabs of the page; each file lays out one part and connects its events."""
