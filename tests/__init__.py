"""Tests of contracts, model and tools."""
