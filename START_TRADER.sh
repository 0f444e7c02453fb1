#!/usr/bin/env bash
# Start the trader: paper money on the embedded market, unless told otherwise.
#
#   ./START_TRADER.sh                               a whole simulated day in a few minutes
#   ./START_TRADER.sh --restart                     stop the running one in order, then start
#   ACCOUNT_NAME=tiny ./START_TRADER.sh             one of several accounts that the configuration declares
#   ./START_TRADER.sh --config config/NAME.toml     another configuration; all flags of `trader run` pass through
#
# It makes the virtual environment when it is missing or out of date, and becomes the daemon, which first checks what
# `trader doctor` checks. Paths are seen from this folder, wherever it is called from. A live configuration never
# installs: it says what is out of date.
set -euo pipefail
umask 077
cd "$(dirname "$(readlink -f "$0")")"

# Whatever may say "live": before there is an environment, nobody can ask the trader itself.
what_is_said() {
    local file
    env
    for file in .env config/default.toml "$@"; do
        file="${file#--config=}"
        file="${file#-c}"
        [ ! -f "$file" ] || head -c 100000 -- "$file"
    done
}

check=()
if what_is_said "$@" | grep -Eia "^\s*(export\s+)?(\"?mode\"?\s*=\s*[\"']+|TRADER_MODE\s*=\s*[\"']?)live" > /dev/null; then
    check=(--check)
fi
scripts/environment "${check[@]}" requirements.lock
python="${TRADER_VENV:-.venv}/bin/python"
unset TRADER_VENV TRADER_PYTHON
exec "$python" -m trader run --doctor "$@"
