#!/usr/bin/env bash
# Runs the tests: those of single contracts on one chain and, at the same time, scenarios and attacks on another and
# model and state machines in Python alone, whose reports follow. What it is called with goes to all three.
# Exits 1 when a test of one failed; that one has none is no failure.
set -uo pipefail

readonly NOTHING_COLLECTED=5
reports=$(mktemp -d)
trap 'kill $(jobs -p) 2> /dev/null; rm -rf "$reports"' EXIT

passed() {
    [ "$1" -eq 0 ] || [ "$1" -eq "$NOTHING_COLLECTED" ]
}

# Compiled once, before two chains ask for it.
python tools/build.py || exit 1
ape test -p no:boa_test tests/scenario tests/attacks "$@" > "$reports/chain" 2>&1 &
chain=$!
pytest -p no:ape_test tests/model tests/stateful "$@" > "$reports/model" 2>&1 &
model=$!

failed=0
ape test -p no:boa_test tests/unit "$@"
passed $? || failed=1
echo "Scenarios and attacks, run at the same time:"
wait "$chain"
passed $? || failed=1
cat "$reports/chain"
echo "Model and state machines, run at the same time:"
wait "$model"
passed $? || failed=1
cat "$reports/model"
exit "$failed"
