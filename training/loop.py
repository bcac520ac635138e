"""Training loop of both stages: exactly resumable, with averaged weights (EMA), in several processes under torchrun."""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler

from mam.errors import WeightsError
from mam.nets import checkpoint
from training import depthwise
from training.recipes import Recipe

Net = TypeVar("Net", bound=nn.Module)


class Strided(Sampler[list[int]]):
    """Batches of indices for one process, from a given step: step s of process r of n takes batch s * n + r.

    Args:
        start, stop: steps.
        recipe: `batch` counts the smallest of `read_sides`; larger images come in smaller batches.
        rank, world: number of the process, and how many there are.
    """

    def __init__(self, start: int, stop: int, recipe: Recipe, rank: int, world: int) -> None:
        self.steps, self.rank, self.world, self.batch = range(start, stop), rank, world, recipe.batch
        self.counts = [max(1, recipe.batch * min(recipe.read_sides) ** 2 // side**2) for side in recipe.read_sides]

    def __iter__(self) -> Iterator[list[int]]:
        for step in self.steps:
            first = (step * self.world + self.rank) * self.batch
            yield list(range(first, first + self.counts[step % len(self.counts)]))


def train(
    model: Net,
    loss_of: Callable[[dict[str, Tensor], int], tuple[Tensor, dict[str, float]]],
    examples: Dataset,
    recipe: Recipe,
    state_file: Path,
    *,
    loaders: int = 0,
    save_every: int = 200,
    log: Callable[[str], None] = print,
    preview: Callable[[Net, int], None] | None = None,
) -> Net:
    """Train the parameters of `model` that require gradients, and return the averaged copy.

    Args:
        model: updated in place.
        loss_of: (batch, step) -> loss and figures; uses `model`. It runs under bfloat16 autocast where that is fast.
        examples: `examples[i]` is a dict of arrays that depend on i alone.
        recipe: steps, learning rate, gradient clipping.
        state_file: written every `save_every` steps; if it exists, the run resumes from it.
        loaders: worker processes that prepare examples.
        save_every: steps between two writes of the state.
        log: called with a line every 50 steps.
        preview: called with the averaged model and the step whenever the state is written.

    Returns:
        The averaged copy of `model`.

    Raises:
        WeightsError: the state belongs to a run with another recipe.
        FloatingPointError: the gradient is no longer finite.
    """
    steps = recipe.steps
    world = int(os.environ.get("WORLD_SIZE", 1))
    rank = int(os.environ.get("RANK", 0))
    if world > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    device = next(model.parameters()).device
    half = has_fast_bfloat16(device)
    if half and device.type == "cpu" and not depthwise.enable():
        log("no C compiler (cc): training will take about half as long again")

    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = build_optimizer(model, recipe)
    average = copy.deepcopy(model).requires_grad_(False)

    start, typical = 0, 0.0
    if state_file.exists():
        state = torch.load(state_file, map_location=device, weights_only=True)
        if state["recipe"] != recipe.to_dict():
            raise WeightsError(
                f"{state_file} has the recipe {state['recipe']}, not {recipe.to_dict()}; give another --out."
            )
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        start, typical = state["step"], state["typical"]
        if rank == 0:
            log(f"resuming at step {start} from {state_file}")

    loader = DataLoader(
        examples,
        batch_sampler=Strided(start, steps, recipe, rank, world),
        num_workers=loaders,
        pin_memory=device.type == "cuda",
        persistent_workers=loaders > 0,
    )
    seen: dict[str, list[float]] = {}
    images = 0
    clock = time.perf_counter()
    for step, data in enumerate(loader, start):
        for group in optimizer.param_groups:
            group["lr"] = group["rate"] * schedule(step, steps, recipe.warmup, recipe.decay)
        torch.manual_seed(step * world + rank)
        images += world * len(next(iter(data.values())))
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            loss, figures = loss_of({k: v.to(device, non_blocking=True) for k, v in data.items()}, step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if world > 1:
            average_gradients(parameters, world)
        limit = recipe.clip if recipe.clip is not None else 2 * typical if typical else math.inf
        norm = nn.utils.clip_grad_norm_(parameters, limit)
        typical = 0.9 * typical + 0.1 * min(float(norm), limit) if typical else float(norm)
        if not torch.isfinite(norm):
            raise FloatingPointError(f"gradient norm {norm} at step {step}; the last good state is in {state_file}")
        optimizer.step()
        update_average(average, model, min(recipe.average, (1 + step) / (10 + step)))

        for name, value in {"loss": loss.item(), **figures}.items():
            if not math.isnan(value):
                seen.setdefault(name, []).append(value)
        if rank == 0 and (step + 1) % 50 == 0:
            pace, images = images / (time.perf_counter() - clock), 0
            clock = time.perf_counter()
            means = "  ".join(f"{k} {sum(v) / len(v):.3f}" for k, v in seen.items())
            log(f"step {step + 1}/{steps}  {means}  {pace:.1f} images/s")
            seen.clear()
        if rank == 0 and ((step + 1) % save_every == 0 or step + 1 == steps):
            nets = {"model": model.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict()}
            checkpoint.write({**nets, "step": step + 1, "typical": typical, "recipe": recipe.to_dict()}, state_file)
            if preview is not None:
                preview(average, step + 1)
    return average


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 matrices in hardware: GPUs, and CPUs with AMX or AVX-512 for bfloat16."""
    return device.type == "cuda" or torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()


def build_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """Build AdamW over all parameters that are not frozen; `rate` is each group's learning rate before the schedule."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            pretrained = "backbone." in name
            rate = recipe.backbone_lr if pretrained and recipe.backbone_lr is not None else recipe.lr
            decay = recipe.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((rate, decay), []).append(parameter)
    return torch.optim.AdamW(
        [{"params": own, "rate": rate, "weight_decay": decay} for (rate, decay), own in groups.items()],
        betas=recipe.betas,
    )


def schedule(step: int, steps: int, warmup: int, decay: float) -> float:
    """Factor of the learning rate at a step: linear warm-up, constant, then a cosine decay to 1%.

    Args:
        step: from 0.
        steps: the length of the run.
        warmup: steps of the warm-up.
        decay: share of the run in which the rate falls; it does not fall during the warm-up.
    """
    if step < warmup:
        return (step + 1) / warmup
    first = max(warmup, (1 - decay) * steps)
    done = max(0.0, (step - first) / max(1.0, steps - first))
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done))


def average_gradients(parameters: list[nn.Parameter], world: int) -> None:
    """Average the gradients over all processes in one message; an unused parameter counts as zero."""
    flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in parameters])
    dist.all_reduce(flat)
    for parameter, part in zip(parameters, flat.div_(world).split([p.numel() for p in parameters]), strict=True):
        parameter.grad = part.view_as(parameter)


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Move the averaged weights and buffers towards the current ones."""
    for mean, now in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if mean.dtype.is_floating_point:
            mean.lerp_(now, 1 - decay)
        else:
            mean.copy_(now)
