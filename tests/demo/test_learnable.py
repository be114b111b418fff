"""What the demo shop's shoppers do can be learnt: neighbours beat popularity on days that were not learnt from."""

import numpy as np
from scipy import sparse

TEST_DAYS = 20
K = 20
USERS_MAX = 800
LIFT_MIN = 1.5
DAY_US = 86_400_000_000


def test_item_neighbours_beat_popularity_for_known_users(shop):
    # Promise: Recall@20 of items new to the user, last 20 days, cosine neighbours >= 1.5 x popularity.
    known = shop.user >= 0
    early = shop.at_us < shop.at_us.max() - TEST_DAYS * DAY_US
    past, future = (_matrix(shop.user[rows], shop.item[rows], shop) for rows in (known & early, known & ~early))
    similar, popular = _cosine(past), past.sum(axis=0)
    both = np.flatnonzero((np.diff(past.indptr) > 0) & (np.diff(future.indptr) > 0))[:USERS_MAX]
    recall = np.array(
        [
            [
                _recall(score, past[[user]].indices, future[[user]].indices)
                for score in _scores(past[[user]], similar, popular)
            ]
            for user in both
        ]
    )
    neighbours, popularity = np.nanmean(recall, axis=0)
    print(f"Recall@{K}: neighbours {neighbours:.3f}, popularity {popularity:.3f}, {both.size} users")
    assert neighbours >= LIFT_MIN * popularity


def test_the_next_item_of_a_session_follows_from_the_one_before(shop):
    # Promise: what goes together is looked at together: the next view is among 20 neighbours of the last, or popular.
    early = shop.at_us < shop.at_us.max() - TEST_DAYS * DAY_US
    past = _matrix(shop.session[early], shop.item[early], shop)
    order = np.lexsort((shop.at_us, shop.session))
    later = order[(shop.kind[order] == "view_item") & ~early[order]]
    goes_on = np.flatnonzero(np.diff(shop.session[later]) == 0)[:5_000]
    before, after = shop.item[later][goes_on], shop.item[later][goes_on + 1]
    neighbours = np.argpartition(-_cosine(past), K, axis=1)[before, :K]
    popular = np.argpartition(-past.sum(axis=0), K)[:K]
    hits = (neighbours == after[:, None]).any(axis=1).mean(), np.isin(after, popular).mean()
    print(f"Recall@{K}: neighbours {hits[0]:.3f}, popularity {hits[1]:.3f}")
    assert hits[0] >= LIFT_MIN * hits[1]


def test_purchases_follow_from_what_was_bought_before(shop):
    # Promise: the items next bought by a buyer go with the items bought so far, as seen in everybody's sessions.
    early = shop.at_us < shop.at_us.max() - TEST_DAYS * DAY_US
    bought = (shop.kind == "purchase") & (shop.user >= 0)
    similar = _cosine(_matrix(shop.session[early], shop.item[early], shop))
    past, future = (_matrix(shop.user[rows], shop.item[rows], shop) for rows in (bought & early, bought & ~early))
    popular = past.sum(axis=0)
    both = np.flatnonzero((np.diff(past.indptr) > 0) & (np.diff(future.indptr) > 0))
    recall = np.array(
        [
            [
                _recall(score, past[[user]].indices, future[[user]].indices)
                for score in _scores(past[[user]], similar, popular)
            ]
            for user in both
        ]
    )
    neighbours, popularity = np.nanmean(recall, axis=0)
    print(f"Recall@{K}: neighbours {neighbours:.3f}, popularity {popularity:.3f}, {both.size} buyers")
    assert neighbours >= LIFT_MIN * popularity


def _matrix(row, item, shop):
    shape = (max(shop.user.max(), shop.session.max()) + 1, shop.item.max() + 1)
    matrix = sparse.csr_array((np.ones(row.size, np.float32), (row, item)), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def _cosine(matrix):
    together = (matrix.T @ matrix).toarray()
    norm = np.sqrt(np.maximum(together.diagonal(), 1))
    np.fill_diagonal(together, 0)
    return together / (norm[:, None] * norm)


def _scores(history, similar, popular):
    return similar[history.indices].sum(axis=0), popular


def _recall(score, seen, future):
    wanted = np.setdiff1d(future, seen)
    if wanted.size == 0:
        return np.nan
    score = np.array(score, dtype=float)
    score[seen] = -np.inf
    return np.isin(np.argpartition(-score, K)[:K], wanted).sum() / min(K, wanted.size)
