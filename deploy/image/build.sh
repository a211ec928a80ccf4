#!/bin/sh
# Builds both images into OCI layouts below FOLDER, without an engine: build.sh FOLDER VERSION [BASE [IMAGE]].
# ARCH is amd64 or arm64; by default that of this machine.
set -eu
umask 022

version=$2
here=$(cd "$(dirname "$0")" && pwd)
pinned=$(sed -n 's/^ARG BASE=//p' "$here/Dockerfile")
base=${3:-$pinned}
image=${4:-both}
arch=${ARCH:-$(dpkg --print-architecture)}
mkdir -p "$1"
folder=$(cd "$1" && pwd)
trap 'rm -rf "$folder/storage" "$folder/run"' EXIT

buildah() {
  timeout 300 buildah --root "$folder/storage" --runroot "$folder/run" --storage-driver vfs "$@"
}

# One that was asked for must be had; without the pinned one there is another way.
require_base() {
  buildah pull -q --arch "$arch" "$base" >/dev/null 2>"$folder/pull.log" && return
  echo "the base cannot be had: $base ($folder/pull.log)" >&2
  [ "$base" = "$pinned" ] || exit 1
  echo 'built instead on scratch with the C libraries of this Debian (BASE=scratch says so without asking)' >&2
  base=scratch
}

# $1: image, $2: Dockerfile, $3: base
build() {
  rm -rf "${folder:?}/$1"
  # Of the folder with the files nothing but these is sent.
  buildah bud -q --identity-label=false --isolation chroot --format oci --arch "$arch" --timestamp "$time" --build-arg BASE="$3" \
    --label org.opencontainers.image.version="$version" --label org.opencontainers.image.revision="$revision" \
    --label org.opencontainers.image.base.name="$3" --file "$here/$2" --tag "$1:$version" "$folder" >/dev/null
  buildah push -q --compression-format zstd --compression-level 3 "$1:$version" "oci:$folder/$1:$version"
  layers=$(find "$folder/$1/blobs" -type f -size +64k -exec wc -c {} + | awk 'END { print $1 }')
  echo "$1:$version  $arch on $3, $((layers / 1048576)) MiB compressed: $folder/$1"
}

[ "$base" = scratch ] || [ "$image" = onbehalf-redirect ] || require_base
ARCH=$arch sh "$here/assemble.sh" "$folder" "$base" "$image"
# The time of the commit: what is built of it again has the same digest.
time=${SOURCE_DATE_EPOCH:-$(git -C "$here" log -1 --format=%ct)}
revision=$(git -C "$here" describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null || echo unknown)
case $image in onbehalf | both) build onbehalf Dockerfile "$base" ;; esac
case $image in onbehalf-redirect | both) build onbehalf-redirect Dockerfile.redirect scratch ;; esac
