"""Simulated users."""

import numpy as np

from training.evaluation.interaction import User


def test_users_correct_the_largest_wrong_region() -> None:
    truth = np.zeros((60, 80), bool)
    truth[10:50, 10:40] = True
    user = User()
    user.start("click", truth)
    assert truth[int(user.points[0][1]), int(user.points[0][0])]
    predicted = truth.copy()
    predicted[10:20] = False  # 300 false negatives
    predicted[30:50, 60:80] = True  # 400 false positives
    assert user.correct("click", predicted, truth)
    x, y = user.points[-1]
    assert user.labels == [1, 0] and 60 <= x < 80 and 30 <= y < 50
    assert user.correct("scribble", truth & False, truth)
    xs, ys = np.array(user.scribbles[0]).T.astype(int)
    assert user.scribble_labels == [1] and truth[ys, xs].all() and np.hypot(np.ptp(xs), np.ptp(ys)) > 20
    assert not user.correct("click", truth, truth)
