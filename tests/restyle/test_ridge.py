import numpy as np
import pytest
from sklearn.linear_model import Ridge

from unsung.restyle.ridge import fit_ridge

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((200, 5)) * [1, 2, 3, 4, 0.1] + 7, RNG.standard_normal((200, 2))


@pytest.mark.parametrize("penalty", [1e-9, 0.1, 10])
def test_it_is_scikit_learns_and_pieces_make_the_whole(penalty):
    fitted = fit_ridge([(X[:50], Y[:50]), (X[50:], Y[50:])], penalty)
    his = Ridge(alpha=penalty * len(X) * X.var(axis=0).mean()).fit(X, Y)
    np.testing.assert_allclose(fitted(X), his.predict(X), atol=1e-7)


def test_inputs_that_never_change_give_the_mean():
    np.testing.assert_allclose(fit_ridge([(np.ones((200, 3)), Y)], 0.1)(np.ones((1, 3)))[0], Y.mean(axis=0), atol=1e-9)
