#!/bin/sh
# Lays out the files of the images: assemble.sh FOLDER BASE [IMAGE]. Needs Debian's apt-get and dpkg-deb, and `make build`.
# With the BASE scratch the C libraries come along, out of the same Debian packages of which a distroless base is made.
set -eu

folder=$1
base=$2
root=$(cd "$(dirname "$0")/../.." && pwd)

# $1: folder, then packages: their files, without what nobody reads in an image.
unpack() {
  target=$1
  shift
  download "$@"
  mkdir -p "$target/var/lib/dpkg/status.d"
  for package in "$@"; do
    file=$(find "$folder/packages" -name "${package}_*.deb")
    dpkg-deb --fsys-tarfile "$file" |
      tar -x -C "$target" --exclude='./usr/share/man' --exclude='./usr/share/locale' --exclude='./usr/share/lintian' \
        --exclude='./usr/lib/*/gconv' --exclude='./usr/share/info' --exclude='./usr/share/bug'
    # By this scanners know what is in it.
    dpkg-deb --field "$file" >"$target/var/lib/dpkg/status.d/$package"
  done
  find "$target/usr/share/doc" -type f ! -name copyright -delete
}

# Those that are not there yet, all at once.
download() {
  mkdir -p "$folder/packages"
  missing=''
  for package in "$@"; do
    [ -n "$(find "$folder/packages" -name "${package}_*.deb")" ] || missing="$missing $package"
  done
  # shellcheck disable=SC2086
  [ -z "$missing" ] || (cd "$folder/packages" && apt-get download -qq -o APT::Sandbox::User=root $missing)
}

# $1: folder
add_users() {
  mkdir -p "$1/etc" "$1/tmp"
  chmod 1777 "$1/tmp"
  echo 'root:x:0:0:root:/:/sbin/nologin
onbehalf:x:15000:15000:onbehalf:/:/sbin/nologin' >"$1/etc/passwd"
  echo 'root:x:0:
onbehalf:x:15000:' >"$1/etc/group"
  echo 'hosts: files dns' >"$1/etc/nsswitch.conf"
}

# What a package's own script would do after its installation.
bundle_authorities() {
  mkdir -p "$1/etc/ssl/certs"
  cat "$1"/usr/share/ca-certificates/mozilla/*.crt >"$1/etc/ssl/certs/ca-certificates.crt"
}

sidecar() {
  target=$folder/sidecar
  if [ "$base" = scratch ]; then
    unpack "$target" base-files libc6 libgcc-s1 libstdc++6 ca-certificates tzdata netbase
    bundle_authorities "$target"
    add_users "$target"
  fi
  # No distroless base has it, and Node needs it.
  unpack "$target" libatomic1
  mkdir -p "$target/nodejs/bin" "$target/onbehalf"
  node=$(readlink -f "$root/node_modules/.bin/node")
  install -m 0755 "$node" "$target/nodejs/bin/node"
  if command -v strip >/dev/null; then strip --strip-all "$target/nodejs/bin/node"; fi
  install -m 0644 "$(dirname "$node")/../LICENSE" "$target/nodejs/LICENSE"
  install -m 0644 "$root/LICENSE" "$root/dist/onbehalf.cjs" "$root/dist/opentelemetry.cjs" "$root/dist/preload.cjs" "$target/onbehalf/"
}

redirect() {
  target=$folder/redirect
  unpack "$target" busybox-static libc6 iptables libip4tc2 libip6tc2 libxtables12 libnftnl11 libmnl0 libnfnetlink0 libnetfilter-conntrack3
  add_users "$target"
  for applet in sh tr xargs; do ln -sf busybox "$target/bin/$applet"; done
  mkdir -p "$target/usr/libexec/iptables-legacy"
  for command in iptables iptables-restore ip6tables ip6tables-restore; do
    ln -sf xtables-nft-multi "$target/usr/sbin/$command"
    ln -sf ../../sbin/xtables-legacy-multi "$target/usr/libexec/iptables-legacy/$command"
  done
  install -m 0755 "$root/deploy/interception/redirect.sh" "$root/deploy/image/entry.sh" "$target/"
}

case ${3:-both} in onbehalf | both) rm -rf "$folder/sidecar" && sidecar ;; esac
case ${3:-both} in onbehalf-redirect | both) rm -rf "$folder/redirect" && redirect ;; esac
