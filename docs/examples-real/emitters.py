"""How far emitters that were located are from where they were, and whether their ellipses hold.

    python3 emitters.py OUT/alerts.ndjson TRUTH.ndjson [MESSAGES.csv ...]

An alert is of all messages of which it cites arrivals. With the tables of messages, heights are compared too.
"""

import csv
import json
import math
import sys


def standing(path):
    newest = {}
    for line in open(path):
        alert = json.loads(line)
        newest[alert["properties"]["alert"]] = alert
    alerts = [alert for alert in newest.values() if alert["properties"]["status"] != "retracted"]
    return [alert for alert in alerts if alert["properties"].get("sign") == "emitter"]


def offset_m(a, b):
    lat = math.radians((a[1] + b[1]) / 2)
    w2 = 1 - 0.00669438 * math.sin(lat) ** 2
    east = math.radians((b[0] - a[0] + 540) % 360 - 180) * math.cos(lat) * 6_378_137 / math.sqrt(w2)
    return east, math.radians(b[1] - a[1]) * 6_335_439 / w2**1.5


def within(ellipse, east, north):
    turn = math.radians(ellipse["orientation_deg"])
    along, across = east * math.sin(turn) + north * math.cos(turn), east * math.cos(turn) - north * math.sin(turn)
    return math.hypot(along / ellipse["semi_major_m"], across / ellipse["semi_minor_m"])


def main(alerts_path, truth_path, *tables):
    heights = {}
    for path in tables:
        name = path.split("/")[-1].rsplit(".", 1)[0]
        for row in csv.DictReader(open(path)):
            heights[f"{name}-{row['id']}"] = float(row["geoAltitude"] or row["baroAltitude"])
    truth = [json.loads(line) for line in open(truth_path)]
    of_arrival = {arrival: number for number, event in enumerate(truth) for arrival in event["evidence"]}
    alerts, found, errors, sigmas, mixed, up = standing(alerts_path), set(), [], [], 0, []
    for alert in alerts:
        numbers = {of_arrival[it["id"]] for it in alert["properties"]["evidence"] if it["id"] in of_arrival}
        mixed += len(numbers) > 1
        for event in (truth[number] for number in numbers):
            found.add(event["event"])
            east, north = offset_m((event["lon"], event["lat"]), alert["geometry"]["coordinates"])
            errors.append(math.hypot(east, north))
            sigmas.append(within(alert["properties"]["ellipse"], east, north))
            emitter = alert["properties"]["emitter"]
            if event["event"] in heights:
                up.append((emitter["alt_m"] - heights[event["event"]]) / emitter["alt_sd_m"])
    errors.sort()
    print(f"messages {len(truth)}, located {len(found)}, alerts {len(alerts)}, of several messages {mixed}")
    if not errors:
        return
    at = lambda share: f"{errors[min(len(errors) - 1, int(share * len(errors)))]:.0f}"
    share = lambda values, most: f"{sum(abs(value) <= most for value in values) / max(1, len(values)):.1%}"
    print(f"error, m: 50% {at(0.5)}, 90% {at(0.9)}, 95% {at(0.95)}; within 500 m {share(errors, 500)}")
    print(f"in 1 sigma {share(sigmas, 1)} (39.3% expected), 2 {share(sigmas, 2)} (86.5%), 3 {share(sigmas, 3)} (98.9%)")
    if up:
        print(f"height in 1 sigma {share(up, 1)}, 2 {share(up, 2)}")


main(*sys.argv[1:])
