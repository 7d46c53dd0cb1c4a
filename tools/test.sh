#!/usr/bin/env bash
# Runs the tests on a chain and, at the same time, those of model and state machines, whose report follows.
# What it is called with goes to both. Exits 1 when a test of either failed; that one of them has none is no failure.
set -uo pipefail

readonly NOTHING_COLLECTED=5
report=$(mktemp)
pytest -p no:ape_test tests/model tests/stateful "$@" > "$report" 2>&1 &
beside=$!
trap 'kill "$beside" 2> /dev/null; rm -f "$report"' EXIT

passed() {
    [ "$1" -eq 0 ] || [ "$1" -eq "$NOTHING_COLLECTED" ]
}

failed=0
ape test -p no:boa_test tests/unit tests/scenario tests/attacks "$@"
passed $? || failed=1
echo "Model and state machines, run at the same time:"
wait "$beside"
passed $? || failed=1
cat "$report"
exit "$failed"
