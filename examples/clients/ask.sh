#!/usr/bin/env bash
# Reads a URL behind the gate for a declared purpose, with curl.
#
#   TOKEN=eyJ… examples/clients/ask.sh http://127.0.0.1:8443/donors/d-000001 'coordination'
#   TOKEN=eyJ… examples/clients/ask.sh URL 'expert-opinion;basis="consent";recipient="expert"'
#
# The body goes to standard output, all else to standard error.
# Exit codes: 0 released; 1 refused, and asking again will not help; 2 the request has to be changed (purpose, declaration);
# 3 sign in again; 4 try again later, since the gate cannot be reached, or the answer did not arrive whole; 64 wrong usage.
set -euo pipefail

if [ $# -ne 2 ] || [ -z "${TOKEN:-}" ]; then sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 64; fi
url=$1 declaration=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

say() { printf '%s\n' "$*" >&2; }
field() { sed -n "s/^$1: *//Ip" "$folder/head" | tail -n 1 | tr -d '\r'; }
# A problem is JSON (RFC 9457); shown as it is where there is no jq, or where it is the proxy's own line of text.
problem() { { jq -r "$1" "$folder/body" 2>/dev/null || { cat "$folder/body"; echo; }; } >&2; }

for attempt in 1 2 3; do
    # The token stands in a file that only this user can read, never on the command line, where others could see it.
    (umask 077 && printf 'header = "Authorization: Bearer %s"\n' "$TOKEN" >"$folder/token")
    status=$(curl --silent --show-error --config "$folder/token" --header "Purpose-Of-Use: $declaration" \
        --dump-header "$folder/head" --output "$folder/body" --write-out '%{http_code}' --max-time 60 "$url") || {
        case $? in
            5 | 6 | 7) say "the gate cannot be reached" ;;
            # The gate cuts the connection where the rest of a body cannot be judged: what came is not the whole.
            *) say "the answer did not arrive whole" ;;
        esac
        exit 4
    }
    case $status in
        2??)
            say "$(field Purpose-Of-Use-Decision)"
            cat "$folder/body"
            exit 0
            ;;
        429 | 503)
            wait_s=$(field Retry-After)
            if [ "$attempt" -lt 3 ]; then
                say "$status; again in ${wait_s:-1} s"
                sleep "${wait_s:-1}"
                continue
            fi
            problem '.detail'
            exit 4
            ;;
        400)
            problem '"\(.detail)\(if .purposes then "\nyou may declare: \(.purposes | join(", "))" else "" end)"'
            exit 2
            ;;
        401)
            say "the token does not hold: $(field WWW-Authenticate)"
            exit 3
            ;;
        403)
            problem '"\(.detail) (decision \(.decision))", ((.reasons // [])[] | "  \(.code) [\(.clause // "-")]")'
            exit 1
            ;;
        404)
            say "there is nothing here for this caller and purpose"
            exit 1
            ;;
        502 | 504)
            problem '.detail'
            exit 4
            ;;
        *)
            # 409 and 422: the backend refused; 405, 413, 415: the request is not in order.
            problem '"\(.status) \(.title): \(.detail) (decision \(.decision))"'
            exit 1
            ;;
    esac
done
