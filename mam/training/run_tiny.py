"""Train the networks of `mam.nets.tiny`; resumable.

    torchrun --nproc-per-node 2 -m mam.training.run_tiny --data DATA --out OUT --backbone FILE  # ImageNet weights
    torchrun --nproc-per-node 2 -m mam.training.run_tiny --data DATA --out OUT --start FOLDER   # OUT/start of a run

The learning rate is constant until `--decay-from`, then falls linearly to 1% at `--steps`, so a run can be continued or
ended from any state. OUT/state.pt has all that resuming needs. OUT/start has only the averaged weights, in float16 and
one file per network, small enough to be committed: a run that starts from them loses the optimizer's state.
"""

from __future__ import annotations

import argparse
import copy
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.utils.data import DataLoader

from mam.errors import WeightsError
from mam.training.examples import Examples
from mam.training.interactive import Segmenter, segmentation_loss
from mam.training.library import INTERACTIVE_MIX, Library
from mam.training.loop import Strided, average_gradients, save, update_average

_BACKBONE_RATE, _RATE = 1.5e-4, 8e-4
_NETWORKS = ("image_encoder", "mask_decoder")


@dataclass(frozen=True)
class Settings:
    """What the command line does not choose.

    Attributes:
        side: longest side of an example in pixels.
        batch: images per process and step.
        warmup: steps until the full learning rate.
    """

    side: int = 256
    batch: int = 8
    warmup: int = 100


def main(argv: Sequence[str] | None = None, settings: Settings = Settings()) -> None:
    """Run until `--steps`; write OUT/state.pt and OUT/start every 100 steps.

    Args:
        argv: arguments without the program's name; None for the arguments of this process.
        settings: the same for all runs but those of tests.
    """
    args = parse(argv)
    world, rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
    if world > 1:
        dist.init_process_group("gloo")
    torch.manual_seed(0)
    net = Segmenter()
    for parameter in net.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    if args.backbone:
        net.image_encoder.backbone.load_pretrained(args.backbone)
    average = copy.deepcopy(net).requires_grad_(False)
    optimizer, parameters = build_optimizer(net)

    first, warm_from, full_state = 0, 0, args.out / "state.pt"
    if full_state.exists():
        state = torch.load(full_state, weights_only=True)
        net.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        first, warm_from = state["step"], -settings.warmup
    elif args.start:
        first = warm_from = load_start(average, args.start)
        net.load_state_dict(average.state_dict())

    # The loader's batches are tensors of what the examples hold as arrays.
    loader: DataLoader[Any] = DataLoader(
        Examples(Library(args.data, INTERACTIVE_MIX), settings.side, 0),
        settings.batch,
        sampler=Strided(first, args.steps, settings.batch, rank, world),
    )
    seen: dict[str, list[float]] = {}
    clock = time.perf_counter()
    for step, batch in enumerate(loader, first):
        share = min(1.0, (step - warm_from + 1) / settings.warmup)
        if step >= args.decay_from:
            share *= max(0.01, 1 - (step - args.decay_from) / (args.steps - args.decay_from))
        for group in optimizer.param_groups:
            group["lr"] = group["rate"] * share
        torch.manual_seed(step * world + rank)
        loss, figures = segmentation_loss(net.train(), batch, step, coarse=step < args.coarse_until)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if world > 1:
            average_gradients(parameters, world)
        norm = nn.utils.clip_grad_norm_(parameters, 2.0)
        if not torch.isfinite(norm):
            raise FloatingPointError(f"gradient norm {norm} at step {step}; the last good state is in {full_state}")
        optimizer.step()
        update_average(average, net, min(0.998, (1 + step) / (10 + step)))

        for name, value in {"loss": loss.item(), "norm": norm.item(), **figures}.items():
            if value == value:
                seen.setdefault(name, []).append(value)
        if rank == 0 and (step + 1) % 20 == 0:
            pace = 20 * settings.batch * world / (time.perf_counter() - clock)
            clock = time.perf_counter()
            means = "  ".join(f"{name} {sum(values) / len(values):.3f}" for name, values in seen.items())
            print(f"step {step + 1}  {means}  {pace:.1f} images/s", flush=True)
            seen.clear()
        if rank == 0 and ((step + 1) % 100 == 0 or step + 1 == args.steps):
            nets = {"model": net.state_dict(), "average": average.state_dict()}
            save({**nets, "optimizer": optimizer.state_dict(), "step": step + 1}, full_state)
            save_start(average, step + 1, args.out / "start")


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="see mam/training/library.py")
    parser.add_argument("--out", type=Path, required=True, help="for state.pt, to resume from, and start/, to commit")
    parser.add_argument("--backbone", type=Path, help="ImageNet weights; for a run's first start only")
    parser.add_argument("--start", type=Path, help="OUT/start of another run")
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--decay-from", type=int, default=1_000_000, help="step at which the rate begins to fall")
    parser.add_argument("--coarse-until", type=int, default=10_000, help="steps without the decoder's finest level")
    return parser.parse_args(argv)


def build_optimizer(net: Segmenter) -> tuple[torch.optim.AdamW, list[nn.Parameter]]:
    """Build AdamW over all parameters that are not frozen; the backbone learns at a lower rate."""
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in net.named_parameters():
        if parameter.requires_grad:
            rate = _BACKBONE_RATE if name.startswith("image_encoder.backbone") else _RATE
            groups.setdefault((rate, parameter.ndim > 1), []).append(parameter)
    optimizer = torch.optim.AdamW(
        [
            {"params": parameters, "rate": rate, "weight_decay": 0.02 if is_matrix else 0.0}
            for (rate, is_matrix), parameters in groups.items()
        ],
        betas=(0.9, 0.99),
    )
    return optimizer, [parameter for parameters in groups.values() for parameter in parameters]


def save_start(average: Segmenter, step: int, folder: Path) -> None:
    """Write image_encoder.pt and mask_decoder.pt: the averaged weights of that network, in float16, and the step."""
    for name in _NETWORKS:
        state = average.get_submodule(name).state_dict()
        save({"average": {k: _halve(v) for k, v in state.items()}, "step": step}, folder / f"{name}.pt")


def load_start(net: Segmenter, folder: Path) -> int:
    """Load what `save_start` wrote.

    Args:
        net: gets the weights, in float32 again.
        folder: of the two files.

    Returns:
        The step at which they were written.

    Raises:
        WeightsError: the files are of different steps.
    """
    steps = set()
    for name in _NETWORKS:
        state = torch.load(folder / f"{name}.pt", weights_only=True)
        net.get_submodule(name).load_state_dict(state["average"])
        steps.add(state["step"])
    if len(steps) > 1:
        raise WeightsError(f"the files of {folder} are of different steps, {sorted(steps)}; copy them again.")
    return steps.pop()


def _halve(value: Tensor) -> Tensor:
    return value.half() if value.dtype == torch.float32 else value


if __name__ == "__main__":
    main()
