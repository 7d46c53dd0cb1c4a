#!/bin/sh
# Installs what the project needs into .venv and node_modules, from the two lock files.
#
# Needs Python 3.11 or 3.12 with venv, Node 20 or later with npm, and nothing else. PYTHON names another interpreter.
set -eu

UV_VERSION=0.13.8
cd "$(dirname "$0")/.."

fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

# Prints "3.11" and the like; fails when the command is missing or is a shim that does not run.
python_version() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

python=""
seen=""
for candidate in ${PYTHON:-python3.12 python3.11 python3 python}; do
    version=$(python_version "$candidate") || continue
    case "$version" in
        3.11 | 3.12)
            if "$candidate" -c 'import venv, ensurepip' 2>/dev/null; then
                python=$candidate
                break
            fi
            seen="$seen, $candidate is Python $version without venv"
            ;;
        *) seen="$seen, $candidate is Python $version" ;;
    esac
done
if [ -z "$python" ]; then
    fail "Python 3.11 or 3.12 with venv is needed (found: $(printf '%s' "${seen:-, none that runs}" | cut -c3-))." \
        "Install python3.12 and python3.12-venv, or name one: make setup PYTHON=/path/to/python3.12"
fi

node_version=$(node --version 2>/dev/null) || fail "Node 20 or later with npm is needed (found: no node that runs). Install it from your system or https://nodejs.org"
node_major=$(printf '%s' "$node_version" | sed 's/^v//; s/\..*//')
[ "$node_major" -ge 20 ] 2>/dev/null || fail "Node 20 or later with npm is needed (found: Node $node_version). Install a newer one"
npm --version >/dev/null 2>&1 || fail "npm is needed beside Node $node_version (found: no npm that runs). Install it"

if [ -x .venv/bin/python ]; then
    installed=$(python_version .venv/bin/python) || installed=""
    wanted=$(python_version "$python")
    [ "$installed" = "$wanted" ] || rm -rf .venv
fi
[ -x .venv/bin/python ] || "$python" -m venv .venv
if [ "$(.venv/bin/uv --version 2>/dev/null | cut -d' ' -f2)" != "$UV_VERSION" ]; then
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$UV_VERSION"
fi
UV_PROJECT_ENVIRONMENT=.venv UV_PYTHON_DOWNLOADS=never VIRTUAL_ENV= \
    .venv/bin/uv sync --quiet --frozen --python .venv/bin/python

npm_config_update_notifier=false npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
touch .venv/.ready
