"""The prompt decoder: SAM's inputs and outputs, prompts drawn as maps."""

import torch

from mam.nets.tiny.decoder import PromptDecoder, prompt_maps


def test_one_image_is_shared_by_all_prompts_and_the_scores_are_probabilities():
    torch.manual_seed(0)
    decoder = PromptDecoder().eval()
    features = torch.randn(1, 256, 64, 64), torch.randn(1, 16, 256, 256), torch.randn(1, 32, 128, 128)
    coords = torch.tensor([[[100.0, 200.0], [0, 0]], [[300.0, 300.0], [700.0, 800.0]], [[0.0, 0.0], [0.0, 0.0]]])
    labels = torch.tensor([[1.0, -1.0], [2.0, 3.0], [-1.0, -1.0]])
    with torch.no_grad():
        masks, scores = decoder(*features, coords, labels, torch.zeros(3, 1, 256, 256), torch.zeros(3))
        alone, _ = decoder(*features, coords[1:2], labels[1:2], torch.zeros(1, 1, 256, 256), torch.zeros(1))
    assert masks.shape == (3, 4, 256, 256)
    assert scores.shape == (3, 4)
    assert ((scores >= 0) & (scores <= 1)).all()
    assert torch.allclose(masks[1:2], alone, atol=1e-4)  # convolutions of another batch size add up in another order


def test_prompts_are_drawn_where_they_are():
    coords = torch.tensor([[[256.0, 512.0], [768.0, 128.0], [190.0, 300.0], [610.0, 900.0], [0.0, 0.0]]])
    maps = prompt_maps(coords, torch.tensor([[1.0, 0.0, 2.0, 3.0, -1.0]]), 64)[0]
    fine_on, fine_off, wide_on, wide_off, box, boxed = maps
    for drawn, (x, y) in ((fine_on, (16, 32)), (fine_off, (48, 8)), (wide_on, (16, 32)), (wide_off, (48, 8))):
        peak = divmod(int(drawn.argmax()), 64)
        assert abs(peak[0] + 0.5 - y) <= 1
        assert abs(peak[1] + 0.5 - x) <= 1
    assert wide_on.sum() > 2 * fine_on.sum()
    assert (box > 0.5).nonzero().amin(0).tolist() == [19, 12]  # the first cell with its centre inside
    assert (box > 0.5).nonzero().amax(0).tolist() == [55, 37]
    assert boxed.min() == 1


def test_padding_points_draw_nothing():
    assert not prompt_maps(torch.zeros(1, 3, 2), -torch.ones(1, 3), 64).any()
