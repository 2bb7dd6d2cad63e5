"""Asks for the page once. Its state says whether it was there; a page that was not makes the task fail."""

import json
import sys
import time
import urllib.error
import urllib.request

data = json.load(sys.stdin)["data"]
request = urllib.request.Request(data["url"])
if "token" in data:
    request.add_header("Authorization", "Bearer " + data["token"])

try:
    with urllib.request.urlopen(request, timeout=data["timeout"]) as response:
        status, fault = response.status, None
except urllib.error.HTTPError as error:
    status, fault = error.code, "{} answers {}".format(data["url"], error.code)
except OSError as error:
    status, fault = 0, "{} does not answer: {}".format(data["url"], error)

with open("history.csv", "a") as history:
    history.write("{},{}\n".format(int(time.time()), status))
print("status", status, file=sys.stderr)

# State and data are kept also where the action fails.
reply = {
    "data": {"status": status},
    "state": [{"category": "page", "tag": "reachable", "state": "error" if fault else "ok"}],
}
if fault:
    reply["error"] = {"message": fault, "class": "PageError", "category": "page"}
else:
    reply["result"] = {"status": status}
json.dump(reply, sys.stdout)
sys.exit(1 if fault else 0)
