#!/usr/bin/env python3
"""Runs once for each host: its name stands in INTENDANT_TARGET."""

import json
import os
import socket
import sys
import time

order = json.load(sys.stdin)
host = os.environ["INTENDANT_TARGET"]
began = time.monotonic()
try:
    socket.create_connection((host, order["port"]), timeout=5).close()
except OSError as error:
    # Taken whatever the exit code; `retryable` decides whether another attempt is made.
    failure = {"type": "no-connection", "message": f"{host}: {error}", "retryable": True}
    print(json.dumps({"error": failure}))
    sys.exit(1)
print(json.dumps({"ms": round((time.monotonic() - began) * 1000)}))
