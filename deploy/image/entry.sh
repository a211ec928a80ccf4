#!/bin/sh
# Runs redirect.sh with the iptables that this node's kernel has: by nf_tables, or else the legacy ones.
set -eu
if ! iptables -w 5 -t nat -S >/dev/null 2>&1; then
  PATH=/usr/libexec/iptables-legacy:$PATH
  # These want to make a file for their lock, and the root file system is read-only. Nobody else changes this pod's rules.
  XTABLES_LOCKFILE=/dev/null
  export PATH XTABLES_LOCKFILE
fi
exec /redirect.sh "$@"
