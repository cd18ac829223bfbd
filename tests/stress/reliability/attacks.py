"""What the hostile part does to a run, and what has to hold all the same.

After each attack: no process, folder or file of ours is left, and what was written is valid, but for what
`permitted` names. Besides, as the attack says:

  behaviour   "same": the program notices nothing. "limits": it behaves as untraced runs with the same
              limits do. "any": it was itself the victim
  judged      all calls of a counted program are told or counted as lost, but for one of each thread that
              was killed
  untraced    the limit may be so low that the program runs untraced, as telrun's summary then says
"""

from collections.abc import Callable
from dataclasses import dataclass

from reliability.running import TRACED, Setup


def nothing(run, chosen, seconds):
    """An attack that is all in its setup."""


@dataclass(frozen=True)
class Attack:
    """choose(rng): what is left to chance, as a dictionary. setup(chosen, way): a Setup. act(run, chosen,
    seconds): while it runs, which takes about so many seconds untraced; may return what ends it again."""
    name: str
    choose: Callable
    setup: Callable = lambda chosen, way: Setup()
    act: Callable = nothing
    ways: tuple = TRACED
    behaviour: str = "same"
    permitted: frozenset = frozenset()
    judged: bool = True
    untraced: bool = False


def all_attacks():
    from reliability import attacks_kills, attacks_limits
    return {attack.name: attack for attack in [*attacks_kills.ATTACKS, *attacks_limits.ATTACKS]}
