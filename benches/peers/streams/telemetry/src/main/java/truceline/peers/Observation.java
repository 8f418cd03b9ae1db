package truceline.peers;

import com.alibaba.fastjson2.JSON;
import java.nio.charset.StandardCharsets;
import java.time.Instant;

/** What the job needs of an observation; fastjson2 passes over all else. */
public final class Observation {
  public String id;
  public String node;
  public String kind;
  public String time;

  /** Event time, milliseconds since 1970. */
  public transient long timeMs;

  public static Observation parse(byte[] line) {
    Observation observation = JSON.parseObject(line, Observation.class);
    observation.timeMs = milliseconds(observation.time);
    return observation;
  }

  public boolean isArrival() {
    return switch (kind) {
      case "acoustic", "seismic", "infrasound" -> true;
      default -> false;
    };
  }

  /** The arrival as it goes from the task that read it to the one that counts: id and node, told apart by a blank. */
  public byte[] brief() {
    return (id + ' ' + node).getBytes(StandardCharsets.UTF_8);
  }

  // The day that was read last, of this thread: java.time takes a microsecond for each text.
  private static final ThreadLocal<Day> DAY = ThreadLocal.withInitial(Day::new);

  private static final class Day {
    String text = "";
    long startMs;
  }

  /** RFC 3339 in UTC, 2026-03-01T00:03:09.412Z, with any number of decimals. */
  static long milliseconds(String text) {
    int length = text.length();
    if (length < 20 || text.charAt(length - 1) != 'Z' || text.charAt(10) != 'T') {
      return Instant.parse(text).toEpochMilli();
    }
    Day day = DAY.get();
    if (!text.startsWith(day.text) || day.text.isEmpty()) {
      day.text = text.substring(0, 10);
      day.startMs = Instant.parse(day.text + "T00:00:00Z").toEpochMilli();
    }
    long seconds = 3600L * two(text, 11) + 60L * two(text, 14) + two(text, 17);
    int fraction = 0;
    for (int at = 20; at < 23; at++) {
      fraction = 10 * fraction + (at < length - 1 ? text.charAt(at) - '0' : 0);
    }
    return day.startMs + 1000L * seconds + fraction;
  }

  private static int two(String text, int at) {
    return 10 * (text.charAt(at) - '0') + text.charAt(at + 1) - '0';
  }
}
