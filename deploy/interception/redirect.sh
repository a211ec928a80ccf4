#!/bin/sh
# Redirects a pod's TCP to the sidecar beside it, by iptables in the network namespace that it runs in; and takes it back.
set -eu

usage() {
  cat <<'TEXT'
Usage: redirect.sh apply --uid UID [options]
       redirect.sh remove [--ipv4-only]

Redirects all TCP that comes in to the sidecar's inbound port, and all that goes out to its outbound port. Needs the
capability NET_ADMIN. Applied again, it replaces what it applied before; other rules stay as they are.

  --uid UID                      the sidecar's user, whose own connections are left alone; not 0
  --inbound-port PORT            default 15006
  --outbound-port PORT           default 15001
  --probes-port PORT             default 15021; never redirected
  --exclude-inbound-ports LIST   ports, separated by commas, that are reached around the sidecar
  --exclude-outbound-ports LIST  ports that are called around the sidecar
  --exclude-outbound-ranges LIST addresses or networks (10.0.0.0/8, fd00::/8) that are called around the sidecar
  --no-inbound, --no-outbound    leave that direction alone
  --ipv4-only                    leave IPv6 alone: it then goes around the sidecar

Exit status: 0 done, 1 the rules cannot be set, 2 wrong use.
TEXT
}

wrong() {
  echo "redirect.sh: $1 (redirect.sh --help)" >&2
  exit 2
}

failed() {
  echo "redirect.sh: $1" >&2
  exit 1
}

# Digits only, without a leading zero, from $3 to $4.
require_number() {
  case $2 in
    '' | *[!0-9]* | 0?* | ???????????*) wrong "$1: '$2' is not a number from $3 to $4" ;;
  esac
  if [ "$2" -lt "$3" ] || [ "$2" -gt "$4" ]; then wrong "$1: '$2' is not a number from $3 to $4"; fi
}

# What a list may hold at all; an item that is missing would be lost in silence.
require_list() {
  case $2 in
    '' | *[!0-9A-Fa-f.:/,]* | ,* | *, | *,,*) wrong "$1: '$2' is not a list with commas between" ;;
  esac
}

require_ports() {
  require_list "$1" "$2"
  for item in $(split "$2"); do require_number "$1" "$item" 1 65535; done
}

require_ranges() {
  require_list "$1" "$2"
  for item in $(split "$2"); do require_range "$1" "$item"; done
}

require_range() {
  case $2 in
    */*/* | */) wrong "$1: '$2' is not an address or a network" ;;
    *:*) most=128 ;;
    *) most=32 ;;
  esac
  case $2 in */*) require_number "$1: prefix of $2" "${2#*/}" 0 "$most" ;; esac
  if [ "$most" = 128 ]; then require_ipv6 "$1" "${2%/*}"; else require_ipv4 "$1" "${2%/*}"; fi
}

require_ipv4() {
  count=0
  rest=$2.
  while [ -n "$rest" ]; do
    require_number "$1: part of $2" "${rest%%.*}" 0 255
    rest=${rest#*.}
    count=$((count + 1))
  done
  [ "$count" = 4 ] || wrong "$1: '$2' is not an IPv4 address"
}

# The rest of its form is checked by ip6tables-restore --test, before anything is touched.
require_ipv6() {
  case $2 in
    *:*:*) ;;
    *) wrong "$1: '$2' is not an IPv6 address" ;;
  esac
  case $2 in
    *:::* | *::*::* | *[0-9A-Fa-f][0-9A-Fa-f][0-9A-Fa-f][0-9A-Fa-f][0-9A-Fa-f]*) wrong "$1: '$2' is not an IPv6 address" ;;
  esac
}

split() {
  echo "$1" | tr ',' ' '
}

# $1: chain, $2: ports. A multiport match holds 15.
pass_ports() {
  echo "$2" | tr ',' '\n' | xargs -n 15 | tr ' ' ',' | while IFS= read -r part; do
    [ -z "$part" ] || echo "-A $1 -p tcp -m multiport --dports $part -j RETURN"
  done
}

# $1: 4 or 6. Both chains are replaced whole; one that is not wanted is left empty.
rules() {
  echo '*nat'
  echo ':ONBEHALF_INBOUND - [0:0]'
  echo ':ONBEHALF_OUTBOUND - [0:0]'
  if [ "$inbound" = yes ]; then
    pass_ports ONBEHALF_INBOUND "$probes_port"
    pass_ports ONBEHALF_INBOUND "$inbound_ports"
    echo "-A ONBEHALF_INBOUND -p tcp -j REDIRECT --to-ports $inbound_port"
  fi
  if [ "$outbound" = yes ]; then
    echo "-A ONBEHALF_OUTBOUND -m owner --uid-owner $uid -j RETURN"
    echo '-A ONBEHALF_OUTBOUND -o lo -j RETURN'
    if [ "$1" = 4 ]; then loopback=127.0.0.0/8; else loopback=::1/128; fi
    echo "-A ONBEHALF_OUTBOUND -d $loopback -j RETURN"
    pass_ports ONBEHALF_OUTBOUND "$outbound_ports"
    for range in $(split "$outbound_ranges"); do
      case $1$range in
        4*:*) ;;
        4* | 6*:*) echo "-A ONBEHALF_OUTBOUND -d $range -j RETURN" ;;
      esac
    done
    echo "-A ONBEHALF_OUTBOUND -p tcp -j REDIRECT --to-ports $outbound_port"
  fi
  echo COMMIT
}

# $1: 4 or 6
tool() {
  if [ "$1" = 4 ]; then echo iptables; else echo ip6tables; fi
}

# $1: 4 or 6, then what the tool is told of the nat table.
nat() {
  command=$(tool "$1")
  shift
  "$command" -w 5 -t nat "$@"
}

restore() {
  command=$(tool "$1")-restore
  shift
  "$command" -w 5 --noflush "$@"
}

require_tools() {
  for family in $families; do
    command=$(tool "$family")
    for each in "$command" "$command-restore"; do
      command -v "$each" >/dev/null 2>&1 && continue
      [ "$family" = 6 ] || failed "$each is not installed"
      failed "$each is not installed: install it, or say --ipv4-only where there is no IPv6"
    done
    nat "$family" -S >/dev/null 2>&1 ||
      failed "$command cannot read the nat table: NET_ADMIN is missing, or the kernel lacks NAT for IPv$family"
  done
}

# $1: 4 or 6, $2: the table's chain, $3: ours, $4: yes or no
set_jump() {
  if [ "$4" = no ]; then
    drop_jumps "$1" "$2" "$3"
  else
    nat "$1" -C "$2" -p tcp -j "$3" 2>/dev/null || nat "$1" -A "$2" -p tcp -j "$3"
  fi
}

drop_jumps() {
  while nat "$1" -C "$2" -p tcp -j "$3" 2>/dev/null; do nat "$1" -D "$2" -p tcp -j "$3"; done
}

apply() {
  for family in $families; do
    rules "$family" | restore "$family" --test || failed "the rules for IPv$family are not accepted; nothing was changed"
  done
  for family in $families; do
    rules "$family" | restore "$family" || failed "the rules for IPv$family cannot be set"
    set_jump "$family" PREROUTING ONBEHALF_INBOUND "$inbound"
    set_jump "$family" OUTPUT ONBEHALF_OUTBOUND "$outbound"
  done
}

remove() {
  for family in $families; do
    for pair in PREROUTING:ONBEHALF_INBOUND OUTPUT:ONBEHALF_OUTBOUND; do
      chain=${pair#*:}
      nat "$family" -S "$chain" >/dev/null 2>&1 || continue
      drop_jumps "$family" "${pair%:*}" "$chain"
      nat "$family" -F "$chain"
      nat "$family" -X "$chain"
    done
  done
}

uid=''
inbound_port=15006
outbound_port=15001
probes_port=15021
inbound_ports=''
outbound_ports=''
outbound_ranges=''
inbound=yes
outbound=yes
families='4 6'

case ${1-} in
  apply | remove) action=$1 ;;
  -h | --help)
    usage
    exit 0
    ;;
  '') wrong 'say apply or remove' ;;
  *) wrong "'$1' is neither apply nor remove" ;;
esac
shift

while [ $# -gt 0 ]; do
  option=$1
  shift
  if [ "$action" = remove ] && [ "$option" != --ipv4-only ]; then wrong "remove knows no option '$option'"; fi
  case $option in
    --no-inbound) inbound=no ;;
    --no-outbound) outbound=no ;;
    --ipv4-only) families=4 ;;
    --uid | --inbound-port | --outbound-port | --probes-port | --exclude-inbound-ports | --exclude-outbound-ports | --exclude-outbound-ranges)
      [ $# -gt 0 ] || wrong "$option needs a value"
      case $option in
        # 4294967295 stands for no user.
        --uid) require_number "$option" "$1" 1 4294967294 && uid=$1 ;;
        --inbound-port) require_number "$option" "$1" 1 65535 && inbound_port=$1 ;;
        --outbound-port) require_number "$option" "$1" 1 65535 && outbound_port=$1 ;;
        --probes-port) require_number "$option" "$1" 1 65535 && probes_port=$1 ;;
        --exclude-inbound-ports) require_ports "$option" "$1" && inbound_ports=$1 ;;
        --exclude-outbound-ports) require_ports "$option" "$1" && outbound_ports=$1 ;;
        --exclude-outbound-ranges) require_ranges "$option" "$1" && outbound_ranges=$1 ;;
      esac
      shift
      ;;
    *) wrong "there is no option '$option'" ;;
  esac
done

if [ "$action" = apply ]; then
  [ -n "$uid" ] || wrong 'apply needs --uid, the user that the sidecar runs as'
  [ "$inbound$outbound" != nono ] || wrong '--no-inbound and --no-outbound leave nothing to do: remove takes rules away'
fi
require_tools
"$action"
