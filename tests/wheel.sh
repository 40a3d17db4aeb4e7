#!/usr/bin/env bash
# The wheel alone, away from the checkout, has all it needs: migrations, contract, command line.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=.venv/bin/python
"$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$work" .
rm -rf build
"$python" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check "$work"/*.whl
cd "$work"
export CREATEVOUCHERS_DATA_DIR=$work/data
venv/bin/createvouchers demo --json >demo.json
venv/bin/createvouchers doctor
venv/bin/python - <<'PY'
from soap_service.paths import schema_directory, wsdl_file

assert "site-packages" not in str(wsdl_file()) and wsdl_file().is_file(), wsdl_file()
assert (schema_directory() / "versions").is_dir(), schema_directory()
PY
echo "the wheel is complete"
