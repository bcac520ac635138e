"""The metrics of matting: SAD, MAD, MSE, Grad, Conn, mask IoU, and IMQ for several instances in one picture.

All take alphas as float in [0, 1]. Two conventions are in use and both are here: `matte_errors` gives SAD, Grad and
Conn as sums over the picture divided by 1000 and MAD and MSE as means per pixel; inside IMQ every error is a mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from scipy import ndimage, optimize


@dataclass(frozen=True)
class Errors:
    """Errors of one matte, all better when smaller: `sad`, `grad`, `conn` are sums / 1000, `mad`, `mse` means."""

    sad: float
    mad: float
    mse: float
    grad: float
    conn: float


def matte_errors(predicted: np.ndarray, truth: np.ndarray, region: np.ndarray | None = None) -> Errors:
    """Compare two alphas.

    Args:
        predicted, truth: (H, W) float in [0, 1].
        region: (H, W) bool, the pixels that count, such as a trimap's unknown ones; None for all.

    Returns:
        Errors over the region; all zero if it is empty.

    Raises:
        ValueError: the shapes differ.

    Source: Rhemann et al. 2009, "A Perceptually Motivated Online Benchmark for Image Matting"; equal to MAM's evaluation.
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
    """Squared difference of the gradients' magnitudes, per pixel, (H, W); derivatives of a Gaussian of `sigma` pixels."""
    return (_gradient_magnitude(predicted, sigma) - _gradient_magnitude(truth, sigma)) ** 2


def _gradient_magnitude(alpha: np.ndarray, sigma: float) -> np.ndarray:
    smallest = 1e-2  # where the filter is cut off
    half = int(np.ceil(sigma * np.sqrt(-2 * np.log(np.sqrt(2 * np.pi) * sigma * smallest))))
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
    """Difference in how firmly each pixel hangs on the largest region that both alphas share, per pixel, (H, W).

    A pixel's level is the highest threshold at which it still belongs to that region; what its alpha exceeds the level by
    counts from 0.15 on.

    Args:
        background_counts: let the rest of the picture compete for being the largest region, as the code behind most
            published tables does; while the object is smaller than its background, levels then stop at the first threshold
            only where both alphas exceed it.
    """
    level = np.full(truth.shape, -1, predicted.dtype)
    thresholds = np.arange(0, 1 + step, step).astype(predicted.dtype)
    for below, threshold in zip(thresholds[:-1], thresholds[1:]):
        shared = (predicted >= threshold) & (truth >= threshold)
        region = largest_region(shared)
        if background_counts and (~shared).sum() >= region.sum():
            region = ~shared
        level[(level == -1) & ~region] = below
    level[level == -1] = 1
    loose = [np.where(alpha - level >= predicted.dtype.type(0.15), alpha - level, 0) for alpha in (predicted, truth)]
    return np.abs(loose[0] - loose[1])


def largest_region(mask: np.ndarray) -> np.ndarray:
    """The largest 4-connected part of a (H, W) bool mask; the first of several as large; empty if it is empty."""
    labels, count = ndimage.label(mask)
    if count == 0:
        return np.zeros_like(mask)
    return labels == 1 + np.bincount(labels.ravel())[1:].argmax()


def unknown_region(alpha: np.ndarray, width: int = 10) -> np.ndarray:
    """The unknown region of a trimap made from a true alpha: neither 0 nor 1, grown by `width` pixels, (H, W) bool."""
    soft = (alpha > 0) & (alpha < 1)
    edge = ndimage.binary_dilation(alpha > 0.5) != ndimage.binary_erosion(alpha > 0.5)
    return ndimage.binary_dilation(soft | edge, iterations=width)


def iou(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Intersection over union of two bool masks of one shape, in [0, 1]; two empty masks agree: 1."""
    union = (predicted | truth).sum()
    return float((predicted & truth).sum() / union) if union else 1.0


@dataclass(frozen=True)
class InstanceTally:
    """Sums of similarities over matched instances, and the instances matched, extra and missed; tallies add up.

    `quality()` is the instance matting quality, IMQ, of all pictures whose tallies were added.
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
        """IMQ in [0, 1], larger is better, by each similarity: sum / (TP + FP/2 + FN/2)."""
        whole = self.tp + self.fp / 2 + self.fn / 2
        return {name: getattr(self, name) / max(whole, 1e-6) for name in ("mad", "mse", "grad", "conn", "iou")}


def match_instances(
    predicted: Sequence[np.ndarray], truth: Sequence[np.ndarray], threshold: float = 0.5
) -> InstanceTally:
    """Match the instances of one picture by IoU of alpha > 0 and measure how alike the matched ones are.

    Args:
        predicted, truth: alphas (H, W) float in [0, 1], one per instance.
        threshold: a pair counts as matched from this IoU on.

    Source: Sun, Tang and Tai 2022, "Human Instance Matting via Mutual Guidance and Multi-Instance Refinement".
    """
    overlap = np.array([[iou(p > 0, t > 0) for t in truth] for p in predicted]).reshape(len(predicted), len(truth))
    pairs = [(i, j) for i, j in zip(*optimize.linear_sum_assignment(-overlap)) if overlap[i, j] >= threshold]
    sums = dict.fromkeys(("mad", "mse", "grad", "conn", "iou"), 0.0)
    for i, j in pairs:
        # In single precision, as the authors have it: it decides which side of a threshold a level falls.
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
