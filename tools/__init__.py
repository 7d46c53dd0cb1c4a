"""What the Makefile runs: build, checks, measurements."""
