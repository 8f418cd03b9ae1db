"""The null test: moves all picks of a node by one offset of its own, at least two minutes, round the day.

    python3 null_test.py telemetry.ndjson seed > null.ndjson

Nothing that several nodes heard survives it, so every event found in the result is a false alarm. What one node heard
stays together: its rate, its bursts, its P and S.
"""

import json
import random
import sys
from datetime import datetime, timedelta, timezone

DAY_S = 86_400.0


def seconds(text):
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(whole + "+00:00").timestamp() + float("0." + (fraction or "0"))


def rfc3339(time_s):
    at = datetime.fromtimestamp(0, timezone.utc) + timedelta(milliseconds=round(time_s * 1000))
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


chance = random.Random(int(sys.argv[2]))
offsets, rows = {}, []
with open(sys.argv[1]) as lines:
    for line in lines:
        pick = json.loads(line)
        if pick["node"] not in offsets:
            offsets[pick["node"]] = chance.uniform(120.0, DAY_S - 120.0)
        time_s = seconds(pick["time"])
        midnight_s = time_s // DAY_S * DAY_S
        time_s = midnight_s + (time_s - midnight_s + offsets[pick["node"]]) % DAY_S
        pick["time"] = rfc3339(time_s)
        rows.append((time_s, pick))
rows.sort(key=lambda row: row[0])
for _, pick in rows:
    print(json.dumps(pick, separators=(",", ":")))
