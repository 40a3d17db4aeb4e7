#!/usr/bin/env bash
# The unit tests on every supported Python that this machine has, besides the one of .venv, which `make test`
# uses itself. For 3.X there is a cached environment .venv-3.X; it is made anew only when the dependencies in
# pyproject.toml or the interpreter change.
#
#   tests/interpreters.sh [pytest arguments]     default: tests/unit
#
#   CI_INTERPRETERS="3.11 3.12 3.13"   these must be present: an absent one is a failure, not a skip
#   PYTHON=/path/to/python             the current interpreter, instead of .venv/bin/python
set -euo pipefail
cd "$(dirname "$0")/.."

supported="3.11 3.12 3.13" # requires-python in pyproject.toml
required=" ${CI_INTERPRETERS:-} "
required=${required//,/ }
pyenv_versions="${PYENV_ROOT:-$HOME/.pyenv}/versions"

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

# The first interpreter of version $1 that runs and can make an environment. Only trying tells: pyenv puts a
# python3.X on PATH that fails unless that version is selected, and Debian ships ensurepip separately.
find_python() {
  local candidate
  while IFS= read -r candidate; do
    if [ "$(version_of "$candidate")" = "$1" ] && "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
      echo "$candidate"
      return 0
    fi
  done < <(
    type -aP "python$1"
    ls -d "$pyenv_versions/$1".*/bin/python"$1" 2>/dev/null | sort -rV
  )
  return 1
}

# What an environment was made from: if this changes, it is made anew.
stamp_of() {
  "$1" -c 'if True:
    import sys, tomllib
    with open("pyproject.toml", "rb") as file:
        project = tomllib.load(file)["project"]
    print(sys.executable, sys.version)
    print(project["dependencies"], project["optional-dependencies"], project.get("scripts"))'
}

say() { printf '\n=== Python %s: %s\n' "$1" "$2"; }

[ "$#" -gt 0 ] || set -- tests/unit
python=${PYTHON:-.venv/bin/python}
current=$(version_of "$python" || true)
failed=""

for version in $required; do
  case " $supported " in
  *" $version "*) ;;
  *) say "$version" "required by CI_INTERPRETERS, but not one of $supported" && failed="$failed $version" ;;
  esac
done

for version in $supported; do
  if [ "$version" = "$current" ]; then
    say "$version" "current ($python), not run again"
    continue
  fi
  if ! base=$(find_python "$version"); then
    case "$required" in
    *" $version "*) say "$version" "NOT FOUND, but required by CI_INTERPRETERS" && failed="$failed $version" ;;
    *) say "$version" "SKIPPED, not found on this machine (PATH, $pyenv_versions)" ;;
    esac
    continue
  fi
  venv=".venv-$version"
  stamp=$(stamp_of "$base")
  if [ "$(cat "$venv/.stamp" 2>/dev/null || true)" != "$stamp" ]; then
    say "$version" "making $venv with $base"
    if ! { rm -f "$venv/.stamp" && "$base" -m venv --clear "$venv" &&
      "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -e '.[dev]'; }; then
      say "$version" "FAILED to install"
      failed="$failed $version"
      continue
    fi
    echo '*' >"$venv/.gitignore"
    printf '%s\n' "$stamp" >"$venv/.stamp"
  fi
  say "$version" "pytest $*"
  "$venv/bin/python" -m pytest -q -o cache_dir="$venv/.pytest_cache" "$@" || failed="$failed $version"
done

if [ -n "$failed" ]; then
  printf '\n=== FAILED on Python%s\n' "$failed" >&2
  exit 1
fi
