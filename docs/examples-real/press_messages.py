"""Many messages at once: each keeps its arrivals as they were to one another, and begins at a random time of a short span.

    python3 press_messages.py telemetry.ndjson seconds seed > pressed.ndjson
    python3 press_messages.py telemetry.ndjson seconds seed apart > noise.ndjson
    python3 press_messages.py telemetry.ndjson seconds seed receivers > null.ndjson

With `apart` each arrival begins at a random time of its own, with `receivers` all that a receiver heard is moved by one random time, round the
span: nothing that several nodes heard is left. Times keep their nanoseconds. Ids have to be those of `truceline import locards`: what stands
before the last hyphen is the message.
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


OF = {
    "messages": lambda arrival: arrival["id"].rsplit("-", 1)[0],
    "apart": lambda arrival: arrival["id"],
    "receivers": lambda arrival: arrival["node"],
}


def main(path, seconds, seed, what="messages"):
    chance, together, span_ns = random.Random(int(seed)), {}, int(float(seconds) * NS)
    for line in open(path):
        arrival = json.loads(line)
        together.setdefault(OF[what](arrival), []).append(arrival)
    for arrivals in together.values():
        first_ns = BEGIN_NS if what == "receivers" else min(ns(arrival["time"]) for arrival in arrivals)
        begin_ns = int(chance.random() * span_ns)
        for arrival in arrivals:
            after_ns = begin_ns + ns(arrival["time"]) - first_ns
            arrival["time"] = text(BEGIN_NS + (after_ns % span_ns if what == "receivers" else after_ns))
    for arrival in sorted((it for arrivals in together.values() for it in arrivals), key=lambda it: it["time"]):
        print(json.dumps(arrival))


main(*sys.argv[1:])
