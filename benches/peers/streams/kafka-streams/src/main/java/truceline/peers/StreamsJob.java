package truceline.peers;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.Metric;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.state.Stores;

/** Four distinct nodes in a cell within ten seconds, in the Streams DSL. */
public final class StreamsJob {
  /** How late an arrival may be, by the stream time of its task. */
  private static final Duration GRACE = Duration.ofSeconds(30);

  public static void main(String[] args) throws Exception {
    Order order = Order.fromEnvironment();
    Cells cells = new Cells(order.sensors(), order.cellDeg());
    Duration window = Duration.ofMillis(order.windowMs());

    StreamsBuilder builder = new StreamsBuilder();
    KStream<String, Observation> telemetry =
        builder.stream(
            order.input(),
            Consumed.with(Serdes.String(), Serdes.serdeFrom((topic, it) -> null, (topic, line) -> Observation.parse(line)))
                .withTimestampExtractor((record, before) -> ((Observation) record.value()).timeMs));
    telemetry
        .filter((key, it) -> counts(it, cells))
        .map((key, it) -> KeyValue.pair(cells.of(it.node), it.brief()))
        .repartition(Repartitioned.with(Serdes.Integer(), Serdes.ByteArray()).withName("by-cell"))
        .peek((cell, it) -> Tally.THROUGH.increment())
        .groupByKey(Grouped.with(Serdes.Integer(), Serdes.ByteArray()))
        .windowedBy(TimeWindows.ofSizeAndGrace(window, GRACE))
        .aggregate(
            () -> new Distinct(order.nodes()),
            (cell, it, heard) -> {
              String text = new String(it, StandardCharsets.UTF_8);
              int blank = text.indexOf(' ');
              heard.add(text.substring(blank + 1), text.substring(0, blank));
              return heard;
            },
            Materialized.<Integer, Distinct>as(
                    Stores.inMemoryWindowStore("heard", window.plus(GRACE), window, false))
                .withKeySerde(Serdes.Integer())
                .withValueSerde(distinct(order.nodes()))
                .withCachingDisabled())
        .toStream()
        .filter((at, heard) -> heard.isNew)
        .map(
            (at, heard) ->
                KeyValue.pair(at.key(), Distinct.alert(at.key(), at.window().start(), heard.nodes, heard.id)))
        .to(order.output(), Produced.with(Serdes.Integer(), Serdes.ByteArray()));

    Properties properties = settings(order);
    KafkaStreams streams = new KafkaStreams(builder.build(properties), properties);
    streams.setUncaughtExceptionHandler(
        error -> {
          error.printStackTrace();
          System.exit(1);
          return null;
        });
    Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(15))));
    streams.start();
    Tally.tell(() -> dropped(streams));
  }

  /** Arrivals go on and are counted where windows begin; all else is through here. */
  private static boolean counts(Observation it, Cells cells) {
    if (it.isArrival() && cells.of(it.node) != null) {
      return true;
    }
    Tally.THROUGH.increment();
    return false;
  }

  /** Records that came when their window was closed. */
  private static long dropped(KafkaStreams streams) {
    double sum = 0;
    for (Metric metric : streams.metrics().values()) {
      if (metric.metricName().name().equals("dropped-records-total")) {
        sum += ((Number) metric.metricValue()).doubleValue();
      }
    }
    return (long) sum;
  }

  private static Properties settings(Order order) {
    Properties set = new Properties();
    set.put(StreamsConfig.APPLICATION_ID_CONFIG, order.group());
    set.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, order.brokers());
    set.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    set.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, order.commitMs());
    set.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, order.threads());
    set.put(StreamsConfig.TOPOLOGY_OPTIMIZATION_CONFIG, StreamsConfig.OPTIMIZE);
    set.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
    set.put(StreamsConfig.STATE_DIR_CONFIG, System.getProperty("java.io.tmpdir") + "/" + order.group());
    set.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 10_000);
    set.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
    // So that the group is empty when the process has ended; no other member is to wait for this one.
    set.put(StreamsConfig.consumerPrefix("internal.leave.group.on.close"), true);
    set.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
    set.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 5_000);
    set.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), 4 << 20);
    set.put(StreamsConfig.consumerPrefix(ConsumerConfig.CHECK_CRCS_CONFIG), false);
    set.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
    set.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 256 << 10);
    set.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 5);
    set.put(StreamsConfig.producerPrefix(ProducerConfig.BUFFER_MEMORY_CONFIG), 64L << 20);
    return set;
  }

  /** For the changelog and the in-memory store, which keeps bytes. */
  private static Serde<Distinct> distinct(int needed) {
    Serializer<Distinct> to =
        (topic, it) -> {
          byte[][] texts = new byte[it.count + 1][];
          int size = 2;
          for (int at = 0; at <= it.count; at++) {
            texts[at] = (at < it.count ? it.nodes[at] : it.id).getBytes(StandardCharsets.UTF_8);
            size += 1 + texts[at].length;
          }
          ByteBuffer out = ByteBuffer.allocate(size).put((byte) it.count).put((byte) (it.isNew ? 1 : 0));
          for (byte[] text : texts) {
            out.put((byte) text.length).put(text);
          }
          return out.array();
        };
    Deserializer<Distinct> from =
        (topic, bytes) -> {
          Distinct it = new Distinct(needed);
          ByteBuffer in = ByteBuffer.wrap(bytes);
          it.count = in.get();
          it.isNew = in.get() == 1;
          for (int at = 0; at < it.count; at++) {
            it.nodes[at] = text(in);
          }
          it.id = text(in);
          return it;
        };
    return Serdes.serdeFrom(to, from);
  }

  private static String text(ByteBuffer in) {
    byte[] bytes = new byte[in.get() & 0xff];
    in.get(bytes);
    return new String(bytes, StandardCharsets.UTF_8);
  }
}
