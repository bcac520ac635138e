"""A visitor's document, and which photo and which result of a visitor is the newest; no server."""

from demo.session import Op, Session, Visitors, has_foreground

BOX, POINT, BACKGROUND = Op("box", (0, 0, 9, 9)), Op("point", (1, 1)), Op("point", (1, 1), 0)


def test_a_prompt_needs_foreground() -> None:
    assert (
        has_foreground((BOX,)) and has_foreground((BACKGROUND, POINT)) and has_foreground((Op("scribble", ((1, 1),)),))
    )
    assert not has_foreground(()) and not has_foreground((BACKGROUND, Op("candidate", name="part")))


def open_photo(visitors: Visitors, token: str, succeeded: bool = True, visitor: str = "me", client: str = "") -> list:
    visitors.begin_opening(visitor, token, client)
    return end_opening(visitors, token, succeeded, visitor)


def end_opening(visitors: Visitors, token: str, succeeded: bool, visitor: str = "me") -> list:
    return visitors.end_opening(Session(visitor, token, "", ""), succeeded)


def test_a_photo_that_fails_leaves_the_one_before() -> None:
    visitors = Visitors()
    visitors.begin_opening("me", "bad")
    assert visitors.token("me") == "bad"
    end_opening(visitors, "bad", False)
    assert visitors.token("me") is None
    open_photo(visitors, "first")
    open_photo(visitors, "bad", succeeded=False)
    assert visitors.token("me") == "first" and visitors.token("you") is None


def test_openings_that_overlap() -> None:
    visitors = Visitors()
    visitors.begin_opening("me", "slow and bad")
    open_photo(visitors, "good")
    end_opening(visitors, "slow and bad", False)
    assert visitors.token("me") == "good"
    visitors.begin_opening("me", "bad")
    visitors.begin_opening("me", "worse")
    end_opening(visitors, "bad", False)
    end_opening(visitors, "worse", False)
    assert visitors.token("me") == "good"
    visitors.begin_opening("me", "slow")
    open_photo(visitors, "newest")
    end_opening(visitors, "slow", True)
    assert visitors.token("me") == "newest"
    visitors.remove("me")
    assert visitors.token("me") is None


def test_only_the_newest_result_counts() -> None:
    visitors = Visitors()
    assert not visitors.begin("result", "me")()  # without a photo there is nothing to count, and nothing is kept
    open_photo(visitors, "mine")
    open_photo(visitors, "yours", visitor="you")
    first, yours = visitors.begin("result", "me"), visitors.begin("result", "you")
    assert first() and yours()
    second = visitors.begin("result", "me")
    assert not first() and second() and yours()
    visitors.remove("me")
    assert not second() and yours()


def test_a_client_has_a_share_of_the_visitors() -> None:
    visitors = Visitors(most=5, per_client=2)
    assert open_photo(visitors, "honest", visitor="honest", client="here") == []
    gone = []
    for number in range(110):
        for visitor in open_photo(visitors, f"{number}", visitor=f"{number}", client="there"):
            visitors.remove(visitor)
            gone.append(visitor)
    assert len(gone) == 108 and "honest" not in gone and visitors.session("honest").token == "honest"
    for number in range(200, 203):
        assert open_photo(visitors, "", visitor=f"{number}", client=f"{number}") == (["108"] if number == 202 else [])


def test_objects_are_kept_for_the_open_photo_only() -> None:
    visitors = Visitors()
    open_photo(visitors, "first")
    visitors.keep(Session("me", "first", "", "new name"))
    visitors.keep(Session("me", "other", "", "of another photo"))
    visitors.keep(Session("nobody", "first", "", ""))
    assert visitors.session("me").name == "new name" and visitors.session("nobody") is None
