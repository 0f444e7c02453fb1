#!/usr/bin/env bash
# Start the trader: paper money on the embedded market, unless told otherwise.
#
#   ./START_TRADER.sh                               a whole simulated day in a few minutes
#   ./START_TRADER.sh --restart                     stop the running one in order, then start
#   ./START_TRADER.sh --config config/NAME.toml     another configuration; all flags of `trader run` pass through
#
# It makes the virtual environment when it is missing or out of date, runs `trader doctor`, and becomes the daemon.
set -euo pipefail
umask 077
cd "$(dirname "$(readlink -f "$0")")"

config="config/default.toml"
db=()
previous=""
for argument in "$@"; do
    case "$previous" in
        --config | -c) config="$argument" ;;
        --db) db=(--db "$argument") ;;
    esac
    case "$argument" in
        --config=*) config="${argument#--config=}" ;;
        --db=*) db=(--db "${argument#--db=}") ;;
    esac
    previous="$argument"
done

scripts/environment requirements.lock
export PATH="$PWD/${TRADER_VENV:-.venv}/bin:$PATH"
trader doctor --config "$config" "${db[@]}"
exec trader run "$@"
