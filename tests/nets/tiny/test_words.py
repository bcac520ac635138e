"""The network that finds objects by name: shapes, evidence, and what training starts from."""

import torch

from mam.nets.tiny.words import FINE, TOP, Classifier, WordFinder, WordHead

CLASSES = [[3], [1, 7, 9], [250, 251]]


def seeded(classes: list[list[int]]) -> WordFinder:
    torch.manual_seed(0)
    return WordFinder(classes).eval()


def test_shapes_are_strides_16_and_32_and_probabilities_leave_room_for_none_of_the_names() -> None:
    finder, image = seeded(CLASSES), torch.randn(2, 3, 64, 96)
    with torch.inference_mode():
        fine, top, evidence = finder.classifier(image)
        scores = finder(image)
    assert fine.shape == (2, FINE, 4, 6) and top.shape == (2, TOP, 2, 3) and evidence.shape == (2, 6, 2, 3)
    assert scores.shape == (2, 3, 4, 6)
    total = scores.exp().sum(1)
    assert (total > 0).all() and (total < 1).all()


def test_evidence_is_the_best_class_of_each_name() -> None:
    classifier = seeded(CLASSES).classifier
    with torch.inference_mode():
        _, top, evidence = classifier(torch.randn(1, 3, 64, 64))
        logits = classifier._fc(top[0, :, 1, 0])
    for number, own in enumerate(CLASSES):
        assert torch.isclose(evidence[0, number, 1, 0], logits[own].max(), atol=1e-4)
        relative = logits[own].max() - logits.logsumexp(0)
        assert torch.isclose(evidence[0, 3 + number, 1, 0], relative, atol=1e-4)


def test_training_starts_from_the_evidence_alone() -> None:
    head = WordHead(3).eval()
    evidence = torch.randn(1, 6, 2, 2)
    with torch.inference_mode():
        one = head(torch.randn(1, FINE, 4, 4), torch.randn(1, TOP, 2, 2), evidence)
        other = head(torch.randn(1, FINE, 4, 4), torch.randn(1, TOP, 2, 2), evidence)
    assert torch.equal(one, other)


def test_the_classifier_keeps_its_statistics_in_training() -> None:
    classifier = Classifier(CLASSES)
    before = classifier._bn1.running_mean.clone()
    classifier.train()
    classifier(torch.randn(1, 3, 64, 64))
    assert torch.equal(before, classifier._bn1.running_mean)
    assert not any(parameter.requires_grad for parameter in classifier.parameters())
