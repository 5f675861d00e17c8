"""A bandit that learns its threshold on line, without labels: does going deeper pay?

UCB1 (Auer et al. 2002) over a few thresholds, as CeeBERT and UBERT (Bajpai and Hanawal,
arXiv:2405.15039; their code) use it: play ``argmax Q + c sqrt(ln t / n)``, where Q is an arm's mean
reward so far, n how often it was played and t all plays. An utterance that stops at exit i, where
its confidence is C_i, earns

    r = C_i - C_1 - price * (w_i - w_1) / (w_E - w_1)

with w the cost of stopping. For two exits that is their code's reward: 0 for the first, else the
gain in confidence less an overhead. Ours differs in three ways:

- Several exits between the first and the last: the overhead is paid in proportion to the cost.
- Confidence is the rank of a score among a development set's, so any policy will do, in any unit,
  and rewards lie in -1-price..1; theirs is the largest class probability.
- An arm's first play is a real decision, counted like any other; their code gives each arm one
  utterance whose last exit it then knows without paying for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from espnet_ee.errors import ConfigError
from espnet_ee.replay import stop_gflops
from espnet_ee.scored_set import ScoredSet
from espnet_ee.streams import Outcome, ThresholdChooser, replay_stream

ARMS = 10  # as in their code
EXPLORATION = 0.2  # c; theirs, 2, still explores after a thousand utterances
DIGITS = 6  # of scores behind the point; what depends on the batch lies below
_PRICES = np.linspace(0.0, 1.0, 41)


class Confidence:
    """Ranks of scores among those of a development set, 0..1; unknown scores rank lowest.

    Args:
        dev: Whose exits give the scale, all of them together.
        policy: Whose scores.
    """

    def __init__(self, dev: ScoredSet, policy: str) -> None:
        scores = dev.scores[policy]
        self._sorted = np.sort(scores[~np.isnan(scores)].round(DIGITS))

    def __call__(self, score: float) -> float:
        """Share of the development scores that are no higher."""
        if math.isnan(score):
            return 0.0
        rank = np.searchsorted(self._sorted, round(score, DIGITS), side="right")
        return float(rank / len(self._sorted))

    def score(self, rank: float) -> float:
        """A threshold that scores of that rank reach, however they were rounded."""
        at_rank = np.quantile(self._sorted, rank, method="inverted_cdf")
        return float(at_rank - 0.5 * 10.0**-DIGITS)


class ThresholdBandit(ThresholdChooser):
    """UCB1 over thresholds; deterministic, ties go to the lower one.

    The utterances of one call share an arm, and each counts as a play of it.

    Args:
        dev: Gives the scale of confidence, the arms and what exits cost; no reference is read.
        policy: Whose scores.
        price: Confidence that going from the first to the last exit must bring to be worth it.
        arms: Number of thresholds, at equal distances in rank.
        exploration: c.

    Raises:
        ConfigError: A model with one exit, or fewer than two arms.
    """

    def __init__(
        self,
        dev: ScoredSet,
        policy: str,
        price: float,
        *,
        arms: int = ARMS,
        exploration: float = EXPLORATION,
    ) -> None:
        if len(dev.layers) < 2 or arms < 2:
            raise ConfigError(
                "a bandit needs something to choose from.",
                got=f"{len(dev.layers)} exits, {arms} arms",
                want="2 or more of each",
            )
        self._confidence = Confidence(dev, policy)
        ranks = (np.arange(arms) + 1.0) / arms
        self.thresholds = [self._confidence.score(rank) for rank in ranks.tolist()]
        costs = stop_gflops(dev, policy).mean(axis=0)  # (E,)
        self._overheads = price * (costs - costs[0]) / (costs[-1] - costs[0])
        self._exploration = exploration
        self.plays = np.zeros(arms, dtype=np.int64)
        self.means = np.zeros(arms)

    @property
    def arm(self) -> int:
        """The arm that is played next: each once, from the lowest on, then the most promising."""
        if (self.plays == 0).any():
            return int(self.plays.argmin())
        bonus = self._exploration * np.sqrt(np.log(self.plays.sum()) / self.plays)
        return int((self.means + bonus).argmax())

    @property
    def threshold(self) -> float:
        """Of the next call."""
        return self.thresholds[self.arm]

    def observe(self, outcomes: Sequence[Outcome]) -> None:
        """Give the arm that was played its rewards."""
        arm = self.arm
        for outcome in outcomes:
            self.plays[arm] += 1
            self.means[arm] += (self.reward(outcome) - self.means[arm]) / self.plays[arm]

    def reward(self, outcome: Outcome) -> float:
        """Gain of confidence from the first exit to the one taken, less its price."""
        gain = self._confidence(outcome.scores[-1]) - self._confidence(outcome.scores[0])
        return gain - float(self._overheads[len(outcome.scores) - 1])


def prices_for(
    dev: ScoredSet,
    policy: str,
    targets: Sequence[float],
    *,
    order: Sequence[int],
    arms: int = ARMS,
    exploration: float = EXPLORATION,
) -> list[float]:
    """Return, for each target, the price at which a bandit's mean cost on ``dev`` comes nearest.

    Args:
        dev: Development set.
        policy: Whose scores.
        targets: GFLOPs per second of audio.
        order: The stream of rows of ``dev`` to try prices on, as long as the streams to come.
        arms: As for the bandit.
        exploration: As for the bandit.
    """

    def cost(price: float) -> float:
        bandit = ThresholdBandit(dev, policy, price, arms=arms, exploration=exploration)
        return replay_stream(dev, policy, bandit, order).mean_cost

    prices: list[float] = _PRICES.tolist()
    costs = {price: cost(price) for price in prices}

    def nearest(target: float) -> float:
        return min(costs, key=lambda price: abs(costs[price] - target))

    return [nearest(target) for target in targets]
