"""Unit tests of a backstop and its underwriter."""
