"""The null test: moves all picks of a node by one offset of its own, at least two minutes, round the day.

    python3 null_test.py telemetry.ndjson seed > null.ndjson
    python3 null_test.py telemetry.ndjson seed windows > null.ndjson

Nothing that several nodes heard survives it, so every event found in the result is a false alarm. What one node heard
stays together: its rate, its bursts, its P and S. With `windows` picks go round the window in which they were recorded: a
window ends where nothing is heard for half an hour. Of a recording of many short windows the day would be a thin one.
"""

import json
import random
import sys
from datetime import datetime, timedelta, timezone

DAY_S = 86_400.0
LEAST_S = 120.0
WINDOW_GAP_S = 1_800.0


def seconds(text):
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(whole + "+00:00").timestamp() + float("0." + (fraction or "0"))


def rfc3339(time_s):
    at = datetime.fromtimestamp(0, timezone.utc) + timedelta(milliseconds=round(time_s * 1000))
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def windows_of(times):
    """[from, length] of each time's window."""
    order, windows = sorted(range(len(times)), key=lambda i: times[i]), [None] * len(times)
    first = 0
    for i in range(len(order)):
        if i + 1 == len(order) or times[order[i + 1]] - times[order[i]] > WINDOW_GAP_S:
            from_s = times[order[first]]
            for inside in order[first : i + 1]:
                windows[inside] = from_s, times[order[i]] - from_s
            first = i + 1
    return windows


with open(sys.argv[1]) as lines:
    rows = [json.loads(line) for line in lines]
chance, shares = random.Random(int(sys.argv[2])), {}
times = [seconds(row["time"]) for row in rows]
round_what = windows_of(times) if sys.argv[3:] == ["windows"] else [(time // DAY_S * DAY_S, DAY_S) for time in times]
moved = []
for time, pick, (from_s, lasts_s) in zip(times, rows, round_what):
    if pick["node"] not in shares:
        shares[pick["node"]] = chance.random()
    share = shares[pick["node"]]
    if lasts_s > 2 * LEAST_S:
        offset = LEAST_S + share * (lasts_s - 2 * LEAST_S)
        time = from_s + (time - from_s + offset) % lasts_s
    pick["time"] = rfc3339(time)
    moved.append((time, pick))
moved.sort(key=lambda row: row[0])
for _, pick in moved:
    print(json.dumps(pick, separators=(",", ":")))
