"""Train `tiny`'s new encoder and decoder; resumable.

    torchrun --nproc-per-node 2 -m mam.training.run_tiny --data DATA --out OUT --backbone FILE   # ImageNet weights
    torchrun --nproc-per-node 2 -m mam.training.run_tiny --data DATA --out OUT --start STATE     # a compressed state

The rate is held until `--decay-from`, then falls linearly to 1% at `--steps`: a run can be continued or ended from any
state.
"""

from __future__ import annotations

import argparse
import copy
import os
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.utils.data import DataLoader

from mam.training.examples import Examples, Library
from mam.training.interactive import Segmenter, segmentation_loss
from mam.training.loop import Strided, average_gradients, follow, save

_BACKBONE_RATE, _RATE = 1.5e-4, 8e-4
_WARMUP, _BATCH, _SIDE = 100, 8, 256
_FROZEN = ("_conv_stem", "backbone._bn0", "_blocks.0.", "_blocks.1.", "_blocks.2.")


def main() -> None:
    """Run until `--steps`; every 100 steps write OUT/state.pt and the compressed OUT/start.pt."""
    args = parse()
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
        optimizer.load_state_dict(state["optimizer"])
        first, warm_from = state["step"], -_WARMUP
    elif args.start:
        state = torch.load(args.start, weights_only=True)
        first = warm_from = state["step"]
    if first:
        net.load_state_dict(state["model"])
        average.load_state_dict(state["average"])

    # The loader's batches are tensors of what the examples hold as arrays.
    loader: DataLoader[Any] = DataLoader(
        Examples(Library(args.data), _SIDE, 0), _BATCH, sampler=Strided(first, args.steps, _BATCH, rank, world)
    )
    seen: dict[str, list[float]] = {}
    clock = time.perf_counter()
    for step, batch in enumerate(loader, first):
        share = min(1.0, (step - warm_from + 1) / _WARMUP)
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
        follow(average, net, min(0.998, (1 + step) / (10 + step)))

        for name, value in {"loss": loss.item(), "norm": norm.item(), **figures}.items():
            if value == value:
                seen.setdefault(name, []).append(value)
        if rank == 0 and (step + 1) % 20 == 0:
            pace = 20 * _BATCH * world / (time.perf_counter() - clock)
            clock = time.perf_counter()
            means = "  ".join(f"{name} {sum(values) / len(values):.3f}" for name, values in seen.items())
            print(f"step {step + 1}  {means}  {pace:.1f} images/s", flush=True)
            seen.clear()
        if rank == 0 and ((step + 1) % 100 == 0 or step + 1 == args.steps):
            nets = {"model": net.state_dict(), "average": average.state_dict()}
            save({**nets, "optimizer": optimizer.state_dict(), "step": step + 1}, full_state)
            save({**{k: compressed(v) for k, v in nets.items()}, "step": step + 1}, args.out / "start.pt")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="see mam/training/examples.py")
    parser.add_argument("--out", type=Path, required=True, help="state.pt to resume from, start.pt to commit")
    parser.add_argument("--backbone", type=Path, help="ImageNet weights; for a run's first start only")
    parser.add_argument("--start", type=Path, help="a compressed state, start.pt of another run")
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--decay-from", type=int, default=1_000_000, help="step at which the rate begins to fall")
    parser.add_argument("--coarse-until", type=int, default=10_000, help="steps without the decoder's finest level")
    return parser.parse_args()


def build_optimizer(net: Segmenter) -> tuple[torch.optim.AdamW, list[nn.Parameter]]:
    """AdamW over all parameters but those of the backbone's first stages; the backbone learns at a lower rate."""
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in net.named_parameters():
        if not any(part in name for part in _FROZEN):
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


def compressed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Half the bytes: float32 -> float16."""
    return {name: value.half() if value.dtype == torch.float32 else value for name, value in state.items()}


if __name__ == "__main__":
    main()
