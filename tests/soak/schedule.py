# SPDX-License-Identifier: MIT
"""A seed makes the whole schedule. Standard library only."""
import random


class Deck:
    """Deals everything once before anything comes again."""

    def __init__(self, dice, cards):
        self.dice, self.cards, self.left, self.dealt = dice, list(cards), [], 0

    def deal(self):
        if not self.left:
            self.left = self.cards[:]
            self.dice.shuffle(self.left)
        self.dealt += 1
        return self.left.pop()

    def complete(self):
        return self.dealt >= len(self.cards)


class Schedule:
    """Of one host: episodes without end, each a fault of the destination, and what else happens meanwhile and after it."""

    def __init__(self, seed, group, outer, inner):
        """`inner`: name -> (method, whether it needs a destination that is well)"""
        self.seed, self.group, self.episodes = seed, group, 0
        self.dice = random.Random(f"{seed} {group}")
        self.outer, self.inner, self.kinds = Deck(self.dice, outer), Deck(self.dice, inner), inner

    def dice_for(self, what):
        """For what is left to chance in one fault: how often others have been asked, which depends on time, must not matter."""
        return random.Random(f"{self.seed} {self.group} {self.episodes} {what}")

    def next(self):
        self.episodes += 1
        outer = self.outer.deal()
        during, after = [], []
        for _ in range(self.dice.choice((0, 1, 1, 1, 2)) if self.kinds else 0):
            name = self.inner.deal()
            (after if self.kinds[name][1] else during).append(name)
        return outer, during, after

    def complete(self):
        """Has everything happened?"""
        return self.outer.complete() and self.inner.complete()
