#!/usr/bin/env bash
# Installs what the tests and benchmarks compare with, from Debian's packages. Run as root. Services they start are stopped.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
packages=(etcd-server postgresql-15 postgresql-client-15 pgbouncer openssl libpostgresql-jdbc-java patroni python3-etcd chromium haproxy unbound strace)
# What the DNS server is asked with, and measured beside.
packages+=(bind9-dnsutils knot-dnsutils dnsperf gdnsd knot knot-module-geoip pdns-server pdns-backend-bind zonemaster-cli)
# The JDBC test compiles one small file; any JDK from 11 on will do.
command -v javac >/dev/null || packages+=(default-jdk-headless)
missing=()
for package in "${packages[@]}"; do
  dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "already installed: ${packages[*]}"
  exit 0
fi
# Packages must not start services on a machine that only tests.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
echo "installed: ${missing[*]}"
