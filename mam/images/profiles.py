"""ICC colour profiles: conversion of pixels from one to another."""

from __future__ import annotations

import io
from typing import cast

import numpy as np
from PIL import Image, ImageCms

_ROUNDING = 2  # by which conversions between descriptions of one space differ
_DAMAGE = (ImageCms.PyCMSError, OSError, ValueError)


def is_rgb(profile: bytes | None) -> bool:
    """Whether an ICC profile describes RGB colours."""
    return profile is not None and profile[16:20] == b"RGB "


def convert_profile(pixels: np.ndarray, source: bytes | None, target: bytes | None) -> np.ndarray:
    """Convert colours from one ICC profile to another.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        source: the profile that the pixels are in; None for sRGB.
        target: the profile to convert to; None for sRGB.

    Returns:
        (H, W, 3) uint8; the pixels themselves if the profiles are equal or one of them is broken.
    """
    if source == target:
        return pixels
    try:
        return np.asarray(_apply(Image.fromarray(np.ascontiguousarray(pixels)), source, target))
    except _DAMAGE:
        return pixels


def to_srgb_pixels(pixels: np.ndarray, profile: bytes | None) -> np.ndarray:
    """Convert colours to sRGB; the pixels themselves if their profile is a description of sRGB, as of most cameras.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        profile: the ICC profile that they are in; None for sRGB.
    """
    samples = np.stack(np.meshgrid(*[np.arange(0, 256, 17)] * 3), -1).astype(np.uint8).reshape(16, -1, 3)
    is_srgb = np.abs(convert_profile(samples, profile, None).astype(int) - samples).max() <= _ROUNDING
    return pixels if is_srgb else convert_profile(pixels, profile, None)


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert an image of any mode to RGB, through its profile if that describes the mode and is not broken."""
    if profile is not None and image.mode in ("L", "CMYK", "LAB"):
        try:
            return _apply(image, profile, None)
        except _DAMAGE:
            pass
    return image.convert("RGB")


def _apply(image: Image.Image, source: bytes | None, target: bytes | None) -> Image.Image:
    """Convert an image from one ICC profile to another, None for sRGB; the result is RGB."""
    opened = [
        ImageCms.ImageCmsProfile(io.BytesIO(profile) if profile else ImageCms.createProfile("sRGB"))
        for profile in (source, target)
    ]
    converted = ImageCms.profileToProfile(image, opened[0], opened[1], outputMode="RGB")
    return cast("Image.Image", converted)  # it is None only for conversions in place
