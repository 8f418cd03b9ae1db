package truceline.peers;

import com.alibaba.fastjson2.JSON;
import com.alibaba.fastjson2.JSONArray;
import com.alibaba.fastjson2.JSONObject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/** In which cell of the map each node stands: a square of so many degrees, by its row and column. */
public final class Cells {
  private final Map<String, Integer> byNode = new HashMap<>();

  public Cells(Path sensors, double cellDeg) throws IOException {
    JSONArray features = JSON.parseObject(Files.readAllBytes(sensors)).getJSONArray("features");
    for (int at = 0; at < features.size(); at++) {
      JSONObject feature = features.getJSONObject(at);
      JSONArray place = feature.getJSONObject("geometry").getJSONArray("coordinates");
      int column = (int) Math.floor(place.getDoubleValue(0) / cellDeg);
      int row = (int) Math.floor(place.getDoubleValue(1) / cellDeg);
      byNode.put(feature.getJSONObject("properties").getString("node"), row << 16 | column & 0xffff);
    }
  }

  /** The node's cell, or null for a node that nobody knows. */
  public Integer of(String node) {
    return byNode.get(node);
  }
}
