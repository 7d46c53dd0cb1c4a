"""``make demo``: the insurance fund lives through a crash on a local chain, step by step, every claim checked."""
