#!/bin/sh
# Makes the secrets that compose.yaml names, once, in deploy/secrets/. What is there already stays: they belong to the data.
# The files can be read by the containers' users, the directory by its owner alone.
set -eu
directory=${1:-$(dirname "$0")/secrets}
umask 077
mkdir -p "$directory"
cd "$directory"

word() { od -An -v -N 24 -t x1 /dev/urandom | tr -d ' \n'; }

make() { # NAME VALUE
    [ -e "$1" ] && return
    printf '%s\n' "$2" >"$1"
    chmod 0444 "$1"
    echo "made $1"
}

make postgres-password "$(word)"
make store-url "postgresql://chipwire:$(cat postgres-password)@postgres:5432/chipwire"
make push-token "$(word)"
# A key as chipwire wants it: 32 bytes in URL-safe base64. Without this file no address in the database can be read: back it up.
make alert-keys "$(head -c 32 /dev/urandom | base64 | tr '+/' '-_')"
make grafana-password "$(word)"
