"""Matting metrics: SAD, MAD, MSE, Grad, Conn, mask IoU, and IMQ for several instances in one image.

Alphas are float arrays in [0, 1]. `matte_errors` follows the usual convention: SAD, Grad and Conn are sums over the
image divided by 1000, MAD and MSE are means per pixel. Within IMQ every error is a mean.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from scipy import ndimage, optimize


@dataclass(frozen=True)
class Errors:
    """Errors of one matte; all are at least 0, and smaller is better.

    Attributes:
        sad: sum of absolute differences / 1000.
        mad: mean absolute difference.
        mse: mean squared difference.
        grad: sum of squared gradient differences / 1000.
        conn: sum of connectivity differences / 1000.
    """

    sad: float
    mad: float
    mse: float
    grad: float
    conn: float


def matte_errors(predicted: np.ndarray, truth: np.ndarray, region: np.ndarray | None = None) -> Errors:
    """Compare two alphas.

    Args:
        predicted: (H, W) float in [0, 1].
        truth: (H, W) float in [0, 1].
        region: (H, W) bool, the pixels to evaluate, such as the unknown region of a trimap; None for all.

    Returns:
        Errors over the region; all zero if it is empty.

    Raises:
        ValueError: the shapes differ.

    Source: Rhemann et al. 2009, "A Perceptually Motivated Online Benchmark for Image Matting"; the values equal those
    of the authors' evaluation.
    """
    predicted, truth = np.asarray(predicted, np.float64), np.asarray(truth, np.float64)
    if predicted.shape != truth.shape:
        raise ValueError(f"predicted alpha is {predicted.shape}, the true one {truth.shape}; both must be one (H, W).")
    region = np.ones(truth.shape, bool) if region is None else region
    count = max(1, int(region.sum()))
    difference = np.abs(predicted - truth)[region]
    return Errors(
        sad=float(difference.sum() / 1000),
        mad=float(difference.sum() / count),
        mse=float((difference**2).sum() / count),
        grad=float(gradient_difference(predicted, truth)[region].sum() / 1000),
        conn=float(connectivity_difference(predicted, truth, background_counts=True)[region].sum() / 1000),
    )


def gradient_difference(predicted: np.ndarray, truth: np.ndarray, sigma: float = 1.4) -> np.ndarray:
    """Compute the squared difference of the gradient magnitudes at each pixel.

    Args:
        predicted: (H, W) float in [0, 1].
        truth: (H, W) float in [0, 1].
        sigma: standard deviation, in pixels, of the Gaussian that the derivatives are taken of.

    Returns:
        (H, W) float, at least 0.
    """
    return (_gradient_magnitude(predicted, sigma) - _gradient_magnitude(truth, sigma)) ** 2


def _gradient_magnitude(alpha: np.ndarray, sigma: float) -> np.ndarray:
    cutoff = 1e-2  # the filter ends where the Gaussian falls below it
    half = int(np.ceil(sigma * np.sqrt(-2 * np.log(np.sqrt(2 * np.pi) * sigma * cutoff))))
    x = np.arange(-half, half + 1)
    smooth = np.exp(-(x**2) / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi))
    slope = -x * smooth / sigma**2
    kernel = np.outer(smooth, slope)
    kernel /= np.sqrt((kernel**2).sum())
    parts = [ndimage.convolve(alpha, k, mode="nearest") for k in (kernel, kernel.T)]
    return np.hypot(*parts)


def connectivity_difference(
    predicted: np.ndarray, truth: np.ndarray, step: float = 0.1, background_counts: bool = False
) -> np.ndarray:
    """Compute the difference in connectivity at each pixel.

    The level of a pixel is the highest threshold at which it belongs to the largest connected region where both alphas
    reach the threshold. A pixel is disconnected by the amount that its alpha exceeds the level, if that is at least
    0.15; the result is the absolute difference of the two alphas' amounts.

    Args:
        predicted: (H, W) float in [0, 1].
        truth: (H, W) float in [0, 1], of the same dtype.
        step: between thresholds.
        background_counts: at thresholds where the pixels below it are not fewer than those of the largest region, take
            them as the region instead, as the code behind most published tables does.

    Returns:
        (H, W) float in [0, 1].
    """
    level = np.full(truth.shape, -1, predicted.dtype)
    thresholds = np.arange(0, 1 + step, step).astype(predicted.dtype)
    for below, threshold in itertools.pairwise(thresholds):
        shared = (predicted >= threshold) & (truth >= threshold)
        region = largest_region(shared)
        if background_counts and (~shared).sum() >= region.sum():
            region = ~shared
        level[(level == -1) & ~region] = below
    level[level == -1] = 1
    loose = [np.where(alpha - level >= predicted.dtype.type(0.15), alpha - level, 0) for alpha in (predicted, truth)]
    return np.abs(loose[0] - loose[1])


def largest_region(mask: np.ndarray) -> np.ndarray:
    """Return the largest 4-connected region of a (H, W) bool mask; the first of equally large ones, or an empty one."""
    labels, count = ndimage.label(mask)
    if count == 0:
        return np.zeros_like(mask)
    return labels == 1 + np.bincount(labels.ravel())[1:].argmax()


def unknown_region(alpha: np.ndarray, width: int = 10) -> np.ndarray:
    """Make the unknown region of a trimap from a true alpha.

    Args:
        alpha: (H, W) float in [0, 1].
        width: number of pixels by which the edge and the fractional alphas are dilated.

    Returns:
        (H, W) bool.
    """
    soft = (alpha > 0) & (alpha < 1)
    edge = ndimage.binary_dilation(alpha > 0.5) != ndimage.binary_erosion(alpha > 0.5)
    return ndimage.binary_dilation(soft | edge, iterations=width)


def iou(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Compute the intersection over union of two (H, W) bool masks, in [0, 1]; 1 if both are empty."""
    union = (predicted | truth).sum()
    return float((predicted & truth).sum() / union) if union else 1.0


def straight_cut(mask: np.ndarray, truth: np.ndarray, crop: tuple[int, int, int, int]) -> float:
    """Measure how far a mask ends along the edge of its crop where the true object goes on.

    Args:
        mask: (H, W) bool.
        truth: (H, W) bool.
        crop: (x0, y0, x1, y1), the part of the image that the mask was computed from.

    Returns:
        The number of such pixels on the longest of the four edges, as a fraction of the image's longest side.
    """
    x0, y0, x1, y1 = crop
    rows, columns = slice(y0, y1), slice(x0, x1)
    sides: list[tuple[tuple[Any, Any], tuple[Any, Any], bool]] = [
        ((rows, x0), (rows, x0 - 1), x0 > 0),
        ((rows, x1 - 1), (rows, x1), x1 < mask.shape[1]),
        ((y0, columns), (y0 - 1, columns), y0 > 0),
        ((y1 - 1, columns), (y1, columns), y1 < mask.shape[0]),
    ]
    cuts = [
        int((mask[inside] & truth[inside] & ~mask[outside] & truth[outside]).sum())
        for inside, outside, goes_on in sides
        if goes_on
    ]
    return max(cuts, default=0) / max(mask.shape)


@dataclass(frozen=True)
class InstanceTally:
    """The sums that instance matting quality (IMQ) is computed from; tallies of several images can be added.

    Attributes:
        mad: sum of the similarities by MAD over matched instances.
        mse: the same by MSE.
        grad: the same by Grad.
        conn: the same by Conn.
        iou: the same by IoU.
        tp: number of matched instances.
        fp: number of predicted instances without a match.
        fn: number of true instances without a match.
    """

    mad: float = 0.0
    mse: float = 0.0
    grad: float = 0.0
    conn: float = 0.0
    iou: float = 0.0
    tp: int = 0
    fp: int = 0
    fn: int = 0

    def __add__(self, other: InstanceTally) -> InstanceTally:
        return InstanceTally(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})

    def quality(self) -> dict[str, float]:
        """Compute IMQ, sum / (TP + FP/2 + FN/2), for each similarity, in [0, 1]; larger is better."""
        whole = self.tp + self.fp / 2 + self.fn / 2
        return {name: getattr(self, name) / max(whole, 1e-6) for name in ("mad", "mse", "grad", "conn", "iou")}


def match_instances(
    predicted: Sequence[np.ndarray], truth: Sequence[np.ndarray], threshold: float = 0.5
) -> InstanceTally:
    """Match the instances of one image by the IoU of alpha > 0, and sum the similarities of the matched ones.

    Args:
        predicted: one alpha per instance, (H, W) float in [0, 1].
        truth: the same.
        threshold: the lowest IoU of a match.

    Source: Sun, Tang and Tai 2022, "Human Instance Matting via Mutual Guidance and Multi-Instance Refinement".
    """
    overlap = np.array([[iou(p > 0, t > 0) for t in truth] for p in predicted]).reshape(len(predicted), len(truth))
    pairs = [
        (i, j) for i, j in zip(*optimize.linear_sum_assignment(-overlap), strict=True) if overlap[i, j] >= threshold
    ]
    sums = dict.fromkeys(("mad", "mse", "grad", "conn", "iou"), 0.0)
    for i, j in pairs:
        # In single precision, as in the authors' code: rounding decides on which side of a threshold an alpha is.
        p, t = np.asarray(predicted[i], np.float32), np.asarray(truth[j], np.float32)
        area = (p > 0) | (t > 0)
        errors = {
            "mad": np.abs(p - t),
            "mse": (p - t) ** 2,
            "grad": gradient_difference(p, t),
            "conn": connectivity_difference(p, t),
        }
        for name, error in errors.items():
            sums[name] += 1 - min(10 * float(error[area].sum(dtype=np.float64)) / (area.sum() + 1), 1)
        sums["iou"] += float(overlap[i, j])
    return InstanceTally(**sums, tp=len(pairs), fp=len(predicted) - len(pairs), fn=len(truth) - len(pairs))
