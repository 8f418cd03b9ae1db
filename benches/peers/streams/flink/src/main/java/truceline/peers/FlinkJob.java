package truceline.peers;

import java.io.IOException;
import java.time.Duration;
import java.util.Properties;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.serialization.SerializationSchema;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/** Four distinct nodes in a cell within ten seconds, on a mini cluster in this process. */
public final class FlinkJob {
  /** How far out of order a partition may be: the load's arrivals wait for their turn. */
  private static final Duration OUT_OF_ORDER = Duration.ofSeconds(5);

  public static void main(String[] args) throws Exception {
    Order order = Order.fromEnvironment();
    StreamExecutionEnvironment run = StreamExecutionEnvironment.createLocalEnvironment(order.threads(), settings(order));
    run.getConfig().enableObjectReuse();

    KafkaSource<Heard> source =
        KafkaSource.<Heard>builder()
            .setBootstrapServers(order.brokers())
            .setTopics(order.input())
            .setGroupId(order.group())
            .setStartingOffsets(OffsetsInitializer.earliest())
            .setValueOnlyDeserializer(new Read(order.sensors().toString(), order.cellDeg()))
            .setProperty("max.poll.records", "5000")
            .setProperty("max.partition.fetch.bytes", Integer.toString(4 << 20))
            .setProperty("check.crcs", "false")
            .build();
    WatermarkStrategy<Heard> times =
        WatermarkStrategy.<Heard>forBoundedOutOfOrderness(OUT_OF_ORDER)
            .withTimestampAssigner((it, before) -> it.timeMs);
    Properties producer = new Properties();
    producer.put("compression.type", "lz4");
    producer.put("linger.ms", "5");
    producer.put("batch.size", Integer.toString(256 << 10));
    producer.put("transaction.timeout.ms", "60000");
    KafkaSink<byte[]> sink =
        KafkaSink.<byte[]>builder()
            .setBootstrapServers(order.brokers())
            .setKafkaProducerConfig(producer)
            .setDeliveryGuarantee(DeliveryGuarantee.EXACTLY_ONCE)
            .setTransactionalIdPrefix(order.group())
            .setRecordSerializer(
                KafkaRecordSerializationSchema.<byte[]>builder()
                    .setTopic(order.output())
                    .setValueSerializationSchema(new AsItIs())
                    .build())
            .build();

    run.fromSource(source, times, "telemetry")
        .filter(Heard::counts)
        .keyBy(it -> it.cell)
        .process(new Count(order.windowMs(), order.nodes()))
        .returns(byte[].class)
        .sinkTo(sink);
    Tally.tell(Tally.LATE::sum);
    run.execute(order.group());
  }

  private static Configuration settings(Order order) {
    Configuration set = new Configuration();
    set.setString("execution.checkpointing.interval", order.commitMs() + " ms");
    set.setString("execution.checkpointing.min-pause", "0 ms");
    set.setString("execution.checkpointing.mode", "EXACTLY_ONCE");
    set.setString("execution.checkpointing.storage", "jobmanager");
    set.setString("state.backend.type", "hashmap");
    set.setString("execution.buffer-timeout.interval", "5 ms");
    set.setString("pipeline.auto-watermark-interval", "100 ms");
    // No kind of value goes by the general serializer.
    set.setString("pipeline.generic-types", "false");
    set.setString("restart-strategy.type", "none");
    set.setString("taskmanager.memory.network.max", "64 mb");
    set.setString("taskmanager.memory.network.min", "64 mb");
    set.setString("taskmanager.memory.managed.size", "0 mb");
    return set;
  }

  /** What goes from the task that read it to the one that counts. */
  public static final class Heard {
    public int cell;
    public long timeMs;
    /** Null for what only moves event time on. */
    public String node;
    public String id;

    public Heard() {}

    /** Arrivals go on and are counted where windows are; all else is through here. */
    boolean counts() {
      if (node != null) {
        return true;
      }
      Tally.THROUGH.increment();
      return false;
    }
  }

  /** Lines to what is needed of them. */
  private static final class Read implements DeserializationSchema<Heard> {
    private final String sensors;
    private final double cellDeg;
    private transient Cells cells;

    Read(String sensors, double cellDeg) {
      this.sensors = sensors;
      this.cellDeg = cellDeg;
    }

    @Override
    public void open(InitializationContext context) throws IOException {
      cells = new Cells(java.nio.file.Path.of(sensors), cellDeg);
    }

    @Override
    public Heard deserialize(byte[] line) {
      Observation observation = Observation.parse(line);
      Heard heard = new Heard();
      heard.timeMs = observation.timeMs;
      Integer cell = observation.isArrival() ? cells.of(observation.node) : null;
      if (cell != null) {
        heard.cell = cell;
        heard.node = observation.node;
        heard.id = observation.id;
      }
      return heard;
    }

    @Override
    public boolean isEndOfStream(Heard next) {
      return false;
    }

    @Override
    public TypeInformation<Heard> getProducedType() {
      return TypeInformation.of(Heard.class);
    }
  }

  /** Alerts are bytes already. */
  private static final class AsItIs implements SerializationSchema<byte[]> {
    @Override
    public byte[] serialize(byte[] alert) {
      return alert;
    }
  }

  /** Distinct nodes of each window that is open in a cell; says the alert as soon as they are enough. */
  private static final class Count extends KeyedProcessFunction<Integer, Heard, byte[]> {
    private final long windowMs;
    private final int needed;
    private transient MapState<Long, Distinct> windows;

    Count(long windowMs, int needed) {
      this.windowMs = windowMs;
      this.needed = needed;
    }

    @Override
    public void open(OpenContext context) {
      windows = getRuntimeContext().getMapState(new MapStateDescriptor<>("windows", Long.class, Distinct.class));
    }

    @Override
    public void processElement(Heard it, Context context, Collector<byte[]> out) throws Exception {
      Tally.THROUGH.increment();
      long from = it.timeMs - Math.floorMod(it.timeMs, windowMs);
      if (from + windowMs <= context.timerService().currentWatermark()) {
        Tally.LATE.increment();
        return;
      }
      Distinct heard = windows.get(from);
      if (heard == null) {
        heard = new Distinct(needed);
        context.timerService().registerEventTimeTimer(from + windowMs - 1);
      }
      if (heard.add(it.node, it.id)) {
        out.collect(Distinct.alert(it.cell, from, heard.nodes, heard.id));
      }
      windows.put(from, heard);
    }

    @Override
    public void onTimer(long timestamp, OnTimerContext context, Collector<byte[]> out) throws Exception {
      windows.remove(timestamp + 1 - windowMs);
    }
  }
}
