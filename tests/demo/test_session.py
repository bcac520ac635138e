"""A visitor's document, and which photo and which result of a visitor is the newest; no server."""

from demo.session import Op, Visitors, has_foreground

BOX, POINT, BACKGROUND = Op("box", (0, 0, 9, 9)), Op("point", (1, 1)), Op("point", (1, 1), 0)


def test_a_prompt_needs_foreground() -> None:
    assert (
        has_foreground((BOX,)) and has_foreground((BACKGROUND, POINT)) and has_foreground((Op("scribble", ((1, 1),)),))
    )
    assert not has_foreground(()) and not has_foreground((BACKGROUND, Op("candidate", index=1)))


def test_a_photo_that_fails_leaves_the_one_before() -> None:
    visitors = Visitors()
    revert = visitors.switch("me", "bad")
    assert visitors.token("me") == "bad"
    revert()
    assert visitors.token("me") is None
    visitors.switch("me", "first")
    visitors.switch("me", "bad")()
    assert visitors.token("me") == "first" and visitors.token("you") is None
    revert = visitors.switch("me", "slow and bad")
    visitors.switch("me", "third")
    revert()
    assert visitors.token("me") == "third"


def test_a_photo_that_fails_late_leaves_the_one_that_was_opened_meanwhile() -> None:
    visitors = Visitors()
    revert = visitors.switch("me", "slow and bad")
    visitors.switch("me", "good")
    revert()
    assert visitors.token("me") == "good"


def test_only_the_newest_result_counts() -> None:
    visitors = Visitors()
    first, yours = visitors.begin_result("me"), visitors.begin_result("you")
    assert first() and yours()
    second = visitors.begin_result("me")
    assert not first() and second() and yours()
    visitors.remove("me")
    assert not second() and yours()
