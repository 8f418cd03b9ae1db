"""Silences of vessels, told from the times of the plots alone, then compared with the alerts.

    python3 check_gaps.py telemetry.ndjson alerts.ndjson min_gap_s intervals

For an area that holds every vessel, so that place plays no part.
"""

import collections
import json
import sys
from datetime import datetime


def seconds(text):
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(whole + "+00:00").timestamp() + float("0." + (fraction or "0"))


telemetry, alerts, min_gap_s, intervals = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
tracks, track_of = collections.defaultdict(list), {}
for plot in map(json.loads, open(telemetry)):
    tracks[plot["track"]].append(seconds(plot["time"]))
    track_of[plot["id"]] = plot["track"]
end_s = max(map(max, tracks.values()))
expected, long, why = {}, 0, collections.Counter()
for track, times in tracks.items():
    times.sort()
    habit = []
    for last, following in zip(times, times[1:] + [None]):
        gap_s = (following or end_s) - last
        recent = sorted(habit[-15:])
        median_s = recent[len(recent) // 2] if recent else None
        long += gap_s >= 300 and following is not None
        if median_s is not None and gap_s >= max(min_gap_s, intervals * median_s):
            long_by = f"{gap_s:.0f} s, {gap_s / median_s:.0f} medians of {median_s:.0f} s"
            expected[track, round(last, 2), following and round(following, 2)] = long_by
            continue
        if gap_s >= 300:
            reason = "the first interval" if median_s is None else "too short" if gap_s < min_gap_s else "its habit"
            why[reason] += 1
        if following:
            habit.append(gap_s)
newest = {}
for properties in (json.loads(line)["properties"] for line in open(alerts)):
    if properties["class"] == "sea.dark":
        newest[properties["alert"]] = properties
said = {}
for alert in newest.values():
    if alert["status"] != "retracted":
        to = round(seconds(alert["to"]), 2) if "to" in alert else None
        said[track_of[alert["evidence"][0]["id"]], round(seconds(alert["from"]), 2), to] = alert["probability"]
print(f"{long} gaps of 300 s or more that ended; left out: {dict(why)}")
print(f"{len(expected)} count, {sum(1 for gap in expected if gap[2] is None)} of them last")
print(f"{len(said)} alerts, {len(said.keys() & expected.keys())} of them of gaps that count")
for gap, long_by in sorted(expected.items(), key=lambda it: -said.get(it[0], 0)):
    lasts = "to the end" if gap[2] is None else "and ended"
    print(f"  {said.get(gap, 0):.2f}  {gap[0]}: {long_by}, {lasts}")
