package truceline.peers;

import java.nio.charset.StandardCharsets;

/** The distinct nodes that were heard in one cell and window, up to as many as make an alert. */
public final class Distinct {
  public String[] nodes;
  public int count;
  /** The observation that completed them; empty until then. */
  public String id = "";
  /** Whether it was the one taken in last. */
  public boolean isNew;

  public Distinct() {}

  public Distinct(int needed) {
    nodes = new String[needed];
  }

  /** Takes in who was heard; true when that makes the alert, which happens once. */
  public boolean add(String node, String id) {
    isNew = false;
    if (count == nodes.length) {
      return false;
    }
    for (int at = 0; at < count; at++) {
      if (nodes[at].equals(node)) {
        return false;
      }
    }
    nodes[count++] = node;
    if (count < nodes.length) {
      return false;
    }
    this.id = id;
    isNew = true;
    return true;
  }

  /** The alert, as JSON. */
  public static byte[] alert(int cell, long windowMs, String[] nodes, String id) {
    StringBuilder text = new StringBuilder(160);
    text.append("{\"row\":").append(cell >> 16).append(",\"column\":").append((short) cell);
    text.append(",\"from_ms\":").append(windowMs).append(",\"id\":\"").append(id).append("\",\"nodes\":[");
    for (int at = 0; at < nodes.length; at++) {
      text.append(at == 0 ? "\"" : ",\"").append(nodes[at]).append('"');
    }
    return text.append("]}").toString().getBytes(StandardCharsets.UTF_8);
  }
}
