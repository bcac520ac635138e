"""Images in and out: every picture is read by `open_photo` or `open_mask`, and written by `mam.images.encode`."""

from mam.images.opening import MAX_PIXELS, ImageSource, Photo, open_mask, open_photo

__all__ = ["MAX_PIXELS", "ImageSource", "Photo", "open_mask", "open_photo"]
