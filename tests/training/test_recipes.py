"""The recipes of `python -m training train`."""

from mam.model.variants import VARIANTS
from training.recipes import RECIPES, Recipe


def test_every_recipe_names_a_variant() -> None:
    assert all(recipe.variant in VARIANTS for recipe in RECIPES.values())


def test_a_value_that_is_not_given_stays() -> None:
    recipe = RECIPES["tiny-matte"]
    assert recipe.replace(steps=None, lr=None) == recipe and recipe.replace(steps=7).steps == 7


def test_a_recipe_is_stored_as_plain_values() -> None:
    assert all(Recipe(**recipe.to_dict()) == recipe for recipe in RECIPES.values())
