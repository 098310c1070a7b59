#!/bin/sh
# Makes the release that this script lies in the one in use: the link /opt/pasprobe in one step,
# units, user, directories. install.sh and rollback.sh call it; it may be run again at any time.
set -eu
umask 022

die() {
    printf 'activate.sh: %s\n' "$1" >&2
    exit "${2:-1}"
}

root='' restart=''
while [ $# -gt 0 ]; do
    case $1 in
        --root)
            [ $# -ge 2 ] || die "--root needs a value" 2
            root=$2
            shift
            ;;
        --restart) restart=yes ;;
        *) die "usage: activate.sh [--root DIR] [--restart]" 2 ;;
    esac
    shift
done
release=$(cd "$(dirname "$0")/.." && pwd -P)
name=$(basename "$release")
[ -x "$release/bin/pasprobe" ] || die "$release is no installed release: use install.sh" 2
[ "$release" -ef "$root/opt/$name" ] || die "$release is not the $name of $root/opt: mind --root" 2

# A new name and a rename: at every moment the link leads to a whole release.
point() {
    rm -f "$root/opt/.$1.new"
    ln -s "$2" "$root/opt/.$1.new"
    mv -T "$root/opt/.$1.new" "$root/opt/$1"
}
current=$(readlink "$root/opt/pasprobe" || :)
if [ "$current" != "$name" ]; then
    [ -z "$current" ] || point pasprobe.previous "$current"
    point pasprobe "$name"
fi

place() {
    mkdir -p "$root/etc/$2"
    for file in "$release/deploy/$1"/*.*; do
        cp "$file" "$root/etc/$2/.pasprobe.new"
        mv "$root/etc/$2/.pasprobe.new" "$root/etc/$2/$(basename "$file")"
    done
}
place systemd systemd/system
place sysusers.d sysusers.d
place tmpfiles.d tmpfiles.d

if [ "$(id -u)" != 0 ]; then
    echo "not root: the user pasprobe and its directories are not made (sysusers.d, tmpfiles.d)"
elif command -v systemd-sysusers >/dev/null && command -v systemd-tmpfiles >/dev/null; then
    systemd-sysusers ${root:+--root="$root"} pasprobe.conf
    systemd-tmpfiles ${root:+--root="$root"} --create pasprobe.conf
else
    echo "no systemd here: make the user pasprobe, and /etc/pasprobe and /var/lib/pasprobe for it" \
        "as $release/deploy/tmpfiles.d/pasprobe.conf says"
fi
sync "$root/opt" "$root/etc/systemd/system"

if [ -z "$root" ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    if [ -n "$restart" ]; then
        systemctl try-restart pasprobe-agent.service pasprobe-reflector.service
    elif [ "$current" != "$name" ] && [ -n "$current" ]; then
        echo "services that run are still $current: systemctl try-restart pasprobe-agent pasprobe-reflector"
    fi
fi
if [ "$current" = "$name" ]; then
    echo "/opt/pasprobe is $name, as before"
else
    echo "/opt/pasprobe is now $name${current:+, before it was $current}"
fi
[ -n "$current" ] || echo "next: write /etc/pasprobe/pasprobe.toml (pasprobe init)," \
    "/opt/pasprobe/bin/pasprobe check --config /etc/pasprobe, systemctl enable --now pasprobe-agent"
