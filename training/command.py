"""`python -m training train`: train a network by a recipe."""

from __future__ import annotations

import argparse
from pathlib import Path

from mam.errors import MamError
from training.recipes import RECIPES, Recipe


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser of `python -m training`."""
    parser = commands.add_parser(
        "train", help="train a network by a recipe (needs torch); torchrun runs several processes"
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "recipe", help="tiny-segment, then tiny-matte; tiny-words; vit_b-matte ...: training/recipes.py"
    )
    parser.add_argument("--data", type=Path, required=True, help="see training/library.py and training/sets.py")
    parser.add_argument(
        "--out", type=Path, required=True, help="for the state to resume from, previews and the final checkpoint"
    )
    parser.add_argument(
        "--sam",
        type=Path,
        nargs="+",
        default=[],
        help="segment: checkpoints to start from instead of ImageNet weights; matte: the frozen SAM (required)",
    )
    parser.add_argument("--m2m", type=Path, help="matte: a checkpoint to start from")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch", type=int, help="images per process and step")
    parser.add_argument("--lr", type=float)
    parser.add_argument("--seed", type=int, help="of the data's random order and augmentation, and the initial weights")
    parser.add_argument("--loaders", type=int, default=0, help="worker processes that prepare images")


def run(arguments: argparse.Namespace) -> int:
    """Train by a recipe; the same command resumes an interrupted run."""
    if arguments.recipe not in RECIPES:
        raise MamError(f"there is no recipe {arguments.recipe!r}; expected one of {', '.join(RECIPES)}.")
    recipe = RECIPES[arguments.recipe].replace(**{k: getattr(arguments, k) for k in ("steps", "batch", "lr", "seed")})
    if recipe.stage == "matte" and not arguments.sam:
        raise MamError(f"{arguments.recipe} needs --sam, the checkpoints of the SAM that it trains behind.")
    if recipe.stage == "words" and (arguments.sam or arguments.m2m or arguments.loaders):
        raise MamError(f"{arguments.recipe} starts from ImageNet weights; leave out --sam, --m2m and --loaders.")
    try:
        _train(recipe, arguments)
    except ModuleNotFoundError as error:  # also from a network that needs another package than the rest
        problem = f"training needs {error.name}" if error.name else str(error)
        raise MamError(f"{problem}: pip install -r export/requirements.txt") from None
    return 0


def _train(recipe: Recipe, arguments: argparse.Namespace) -> None:
    from training.run import train_matte, train_segmentation, train_words

    data, out = arguments.data, arguments.out
    if recipe.stage == "segment":
        train_segmentation(recipe, data, out, start=arguments.sam, loaders=arguments.loaders)
    elif recipe.stage == "words":
        train_words(recipe, data, out)
    else:
        train_matte(recipe, data, out, sam_files=arguments.sam, start=arguments.m2m, loaders=arguments.loaders)
