#!/bin/sh
# The blob stands in the working directory under the name of the manifest.
set -eu
lines=$(wc -l < text.txt)
words=$(wc -w < text.txt)
bytes=$(wc -c < text.txt)
echo "counted $words words"
# The last line is JSON: it is the result of the operation.
printf '{"lines":%d,"words":%d,"bytes":%d}\n' "$lines" "$words" "$bytes"
