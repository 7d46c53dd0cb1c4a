"""Replays of price histories: a book of leveraged traders, a keeper and a thief, on the contracts and in the model."""
