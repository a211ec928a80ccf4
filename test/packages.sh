#!/bin/sh
# Installs the Debian packages that the tests and the bench use, where they are missing: packages.sh COMMAND=PACKAGE…
# Where that cannot be done it says so and ends well: the tests that need them are skipped with that reason.
set -u
missing=''
for pair in "$@"; do
  command -v "${pair%%=*}" >/dev/null 2>&1 || missing="$missing ${pair#*=}"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "not installed, and only root on Debian can:$missing" >&2
  exit 0
fi
echo "installing:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
{ apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; } >/dev/null || echo "could not install:$missing" >&2
exit 0
