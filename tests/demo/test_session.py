"""A visitor's document, and which photo and which result of a visitor is the newest; no server."""

from demo.session import Op, Visitors, has_foreground

BOX, POINT, BACKGROUND = Op("box", (0, 0, 9, 9)), Op("point", (1, 1)), Op("point", (1, 1), 0)


def test_a_prompt_needs_foreground() -> None:
    assert (
        has_foreground((BOX,)) and has_foreground((BACKGROUND, POINT)) and has_foreground((Op("scribble", ((1, 1),)),))
    )
    assert not has_foreground(()) and not has_foreground((BACKGROUND, Op("candidate", index=1)))


def open_photo(visitors: Visitors, token: str, succeeded: bool = True) -> None:
    visitors.begin_opening("me", token)
    visitors.end_opening("me", token, succeeded)


def test_a_photo_that_fails_leaves_the_one_before() -> None:
    visitors = Visitors()
    visitors.begin_opening("me", "bad")
    assert visitors.token("me") == "bad"
    visitors.end_opening("me", "bad", False)
    assert visitors.token("me") is None
    open_photo(visitors, "first")
    open_photo(visitors, "bad", succeeded=False)
    assert visitors.token("me") == "first" and visitors.token("you") is None


def test_openings_that_overlap() -> None:
    visitors = Visitors()
    visitors.begin_opening("me", "slow and bad")
    open_photo(visitors, "good")
    visitors.end_opening("me", "slow and bad", False)
    assert visitors.token("me") == "good"
    visitors.begin_opening("me", "bad")
    visitors.begin_opening("me", "worse")
    visitors.end_opening("me", "bad", False)
    visitors.end_opening("me", "worse", False)
    assert visitors.token("me") == "good"
    visitors.begin_opening("me", "slow")
    open_photo(visitors, "newest")
    visitors.end_opening("me", "slow", True)
    assert visitors.token("me") == "newest"
    visitors.remove("me")
    assert visitors.token("me") is None


def test_only_the_newest_result_counts() -> None:
    visitors = Visitors()
    first, yours = visitors.begin("result", "me"), visitors.begin("result", "you")
    assert first() and yours()
    second = visitors.begin("result", "me")
    assert not first() and second() and yours()
    visitors.remove("me")
    assert not second() and yours()
