"""What a translation could not keep: each field once, its places folded."""

from __future__ import annotations

from llm_gateway_sdk import Losses


def test_places_of_one_field_are_one_loss() -> None:
    losses = Losses()
    for at in range(3):
        losses.dropped(f"messages[{at}].content[0].cache")

    assert [str(loss) for loss in losses] == ["dropped messages[*].content[*].cache"]


def test_the_first_detail_of_a_loss_stays() -> None:
    losses = Losses()
    losses.converted("reasoning.effort", "max became high")
    losses.converted("reasoning.effort", "another")

    assert [str(loss) for loss in losses] == ["converted reasoning.effort (max became high)"]


def test_one_field_may_be_lost_in_two_ways() -> None:
    losses = Losses("response")
    losses.dropped("usage")
    losses.clamped("usage")

    assert [(loss.kind, loss.side) for loss in losses] == [("dropped", "response"), ("clamped", "response")]
    assert len(losses) == 2


def test_no_loss_is_false() -> None:
    assert not Losses()


def test_a_name_of_any_length_makes_no_long_loss() -> None:
    losses = Losses()

    losses.dropped("metadata." + "k" * 5_000_000, "v" * 5_000_000)

    (loss,) = losses
    assert len(str(loss)) < 3000
    assert loss.path.startswith("metadata.kkk")
