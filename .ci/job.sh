#!/usr/bin/env bash
# The whole job on small generated tables, with the tabcli of one environment and from outside this folder: job.sh BIN
set -euo pipefail
bin=$(cd "$1" && pwd)
config=$(cd "$(dirname "$0")/.." && pwd)/configs/quickstart.yaml
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"$bin/tabcli" --help > /dev/null
"$bin/tabcli" train --help > /dev/null
"$bin/tabcli" synth data --stores 20 --days 500
"$bin/tabcli" prep --config "$config" --data data --out prep
"$bin/tabcli" train --prep prep --out run -S train.epochs=2
"$bin/tabcli" predict run --data data --out forecast.csv
"$bin/tabcli" evaluate forecast.csv data/truth.csv
"$bin/tabcli" init data --out own.yaml --target sales > /dev/null
"$bin/tabcli" inspect run > /dev/null
