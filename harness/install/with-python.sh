#!/bin/sh
# Hands over to harness.install with a Python that is new enough: the first on PATH may be too old, and there may be none.
#   with-python.sh [--into DIR] [EXTRA ...]       DIR is .venv of the checkout unless said
# PYTHON=... names one: then it is that one, or an error. Its version is asked for in words that Python 2 knows, too.
set -u
CDPATH='' cd -- "$(dirname -- "$0")/../.." || exit 3

into=.venv
if [ "${1-}" = --into ]; then
  into=$2
  shift 2
fi
for extra in "$@"; do
  case $extra in
    *[!a-z,-]* | -*)
      printf 'rehearse: EXTRA=%s: it is no name of an extra\n' "$extra" >&2
      exit 3
      ;;
  esac
done
needs='rehearse needs Python 3.11 or newer'
get_one='say make PYTHON=/path/to/python3.12, or install one (Debian: apt install python3 python3-venv; macOS: brew install python)'
identity='
import sys
print("%d.%d.%d %s" % (tuple(sys.version_info[:3]) + (getattr(sys, "base_prefix", sys.prefix),)))
sys.exit(9 * (sys.version_info < (3, 11)))'

# "3.12.1 /usr", and 0 where that is new enough, 9 where it is too old, anything else where it is no Python.
ask() {
  answer=$("$1" -E -s -S -c "$identity" 2>/dev/null)
  verdict=$?
  case $answer in
    [0-9]*.[0-9]*.[0-9]*' '*) printf '%s\n' "$answer" ;;
    *) return 1 ;; # it is something else, which ended well
  esac
  return $verdict
}

# In place of this shell: a signal for make is then one for the installer.
become() {
  python=$1
  shift
  exec "$python" -E -s -S -m harness.install --into "$into" "$@"
}

refuse() {
  printf 'rehearse: %s\n' "$*" >&2
  exit 3
}

if [ -n "${PYTHON-}" ]; then
  told=$(ask "$PYTHON")
  case $? in
    0) set -- --made-from "$told" "$@" ;;
    9) refuse "PYTHON=$PYTHON is Python ${told%% *}; $needs: $get_one" ;;
    *) refuse "PYTHON=$PYTHON does not start as a Python; $needs: $get_one" ;;
  esac
fi

# Where everything is there, the environment's own Python says so at once.
if [ -x "$into/bin/python" ] && (become "$into/bin/python" --ready "$@") 2>/dev/null; then exit 0; fi

if [ -n "${PYTHON-}" ]; then
  become "$PYTHON" "$@"
fi
found=
for name in python3 python3.14 python3.13 python3.12 python3.11 python; do
  told=$(ask "$name")
  case $? in
    0) become "$name" "$@" ;;
    9) found="$found${found:+, }$name is ${told%% *}" ;;
  esac
done
refuse "$needs; found on PATH: ${found:-no Python}. To go on, $get_one"
