#!/bin/sh
# Makes .venv with the exact versions of requirements.lock and pasprobe itself in editable form.
set -eu
python=${1:-python3}
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "pasprobe needs Python 3.11 or later, $python is $("$python" -V 2>&1); set PYTHON=/path/to/python3.11" >&2
    exit 2
fi
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q python3-venv
    else
        echo "$python has no ensurepip: install the package python3-venv, then run make again" >&2
        exit 2
    fi
fi
"$python" -m venv --clear .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
# Compiled once here: where Python may not write bytecode, each start would compile again.
.venv/bin/python -m compileall -q agent analysis collectors device_configs incidents inventory \
    timeseries pasprobe.py
