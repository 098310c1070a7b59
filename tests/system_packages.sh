#!/bin/sh
# Installs the Debian packages that the tests drive, where that is possible (root and apt-get).
# Elsewhere it says so and the tests that need them skip with the reason (CI=true makes that a failure).
set -eu
packages="chromium fonts-dejavu-core fping frr influxdb iproute2 iputils-ping irtt libpango-1.0-0 libpangoft2-1.0-0 nftables openssh-server openssl procps python3 rsync snmp snmpd systemd tcpdump tshark victoria-metrics"
missing=""
for package in $packages; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing="$missing $package"
done
if [ -z "$missing" ]; then
    :
elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    # Servers among them (influxdb, victoria-metrics) stay off: the tests start their own.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
else
    echo "not installed (needs root and apt-get):$missing; the tests that drive them will skip" >&2
fi

# axe-core, by which the pages are checked for accessibility, comes from npm into the environment.
axe=4.14.1
if [ -d .venv ] && ! grep -qs "\"version\": \"$axe\"" .venv/axe/node_modules/axe-core/package.json; then
    if command -v npm >/dev/null; then
        npm install --silent --no-audit --no-fund --no-save --ignore-scripts --prefix .venv/axe "axe-core@$axe" ||
            echo "npm gives no axe-core $axe: the accessibility of the pages will not be checked" >&2
    else
        echo "no npm, so no axe-core: the accessibility of the pages will not be checked" >&2
    fi
fi
