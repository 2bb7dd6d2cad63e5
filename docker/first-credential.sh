#!/bin/sh
# Makes the first credential of a fresh installation; does nothing where there is one. The token is kept for whoever may read the volume,
# and is not printed: logs are read by others.
set -eu
umask 077
token_file="$(dirname "$CREDENTIALS_FILE")/admin.token"
if [ ! -s "$CREDENTIALS_FILE" ]; then
  token=$("$@" credentials add admin --scope '*')
  printf '%s\n' "$token" > "$token_file"
fi
if [ -f "$token_file" ]; then
  echo "The token of \"admin\": docker compose run --rm --no-deps --entrypoint cat credentials $token_file"
fi
