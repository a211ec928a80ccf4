#!/bin/sh
# Runs redirect.sh with the iptables that this node's kernel has: by nf_tables, or else the legacy ones.
set -eu
if ! iptables -w 5 -t nat -S >/dev/null 2>&1; then
  PATH=/usr/libexec/iptables-legacy:$PATH
  export PATH
fi
exec /redirect.sh "$@"
