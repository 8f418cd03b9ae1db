package truceline.peers;

import java.nio.file.Path;

/** What a run is told: variables of the environment, all named PEER_*. */
public record Order(
    String brokers,
    String input,
    String output,
    String group,
    Path sensors,
    double cellDeg,
    long windowMs,
    int nodes,
    int threads,
    int commitMs) {

  public static Order fromEnvironment() {
    return new Order(
        told("BROKERS"),
        told("INPUT"),
        told("OUTPUT"),
        told("GROUP"),
        Path.of(told("SENSORS")),
        Double.parseDouble(told("CELL_DEG")),
        1000L * Integer.parseInt(told("WINDOW_S")),
        Integer.parseInt(told("NODES")),
        Integer.parseInt(told("THREADS")),
        Integer.parseInt(told("COMMIT_MS")));
  }

  private static String told(String name) {
    String value = System.getenv("PEER_" + name);
    if (value == null || value.isEmpty()) {
      throw new IllegalArgumentException("PEER_" + name + " is not set");
    }
    return value;
  }
}
