"""Many messages at once: each keeps its arrivals as they were to one another, and begins at a random time of a short span.

    python3 press_messages.py telemetry.ndjson seconds seed > pressed.ndjson
    python3 press_messages.py telemetry.ndjson seconds seed apart > noise.ndjson

With `apart` each arrival begins at a random time of its own: nothing that several nodes heard is left. Ids have to be those of
`truceline import locards`: what stands before the last hyphen is the message.
"""

import json
import random
import sys
from datetime import datetime, timezone

NS = 1_000_000_000
BEGIN_NS = 1_577_836_800 * NS


def ns(text):
    whole, _, fraction = text.rstrip("Z").partition(".")
    return int(datetime.fromisoformat(whole + "+00:00").timestamp()) * NS + int(fraction.ljust(9, "0") or 0)


def text(time_ns):
    whole = datetime.fromtimestamp(time_ns // NS, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{time_ns % NS:09d}Z"


def main(path, seconds, seed, apart=None):
    chance, messages = random.Random(int(seed)), {}
    for line in open(path):
        arrival = json.loads(line)
        messages.setdefault(arrival["id"] if apart else arrival["id"].rsplit("-", 1)[0], []).append(arrival)
    for arrivals in messages.values():
        first_ns = min(ns(arrival["time"]) for arrival in arrivals)
        begin_ns = BEGIN_NS + int(chance.random() * float(seconds) * NS)
        for arrival in arrivals:
            arrival["time"] = text(begin_ns + ns(arrival["time"]) - first_ns)
    for arrival in sorted((it for arrivals in messages.values() for it in arrivals), key=lambda it: it["time"]):
        print(json.dumps(arrival))


main(*sys.argv[1:])
