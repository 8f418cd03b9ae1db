package truceline.peers;

import java.util.concurrent.atomic.LongAdder;
import java.util.function.LongSupplier;

/** How many observations are through, as the driver reads it: a line on standard output every 100 ms. */
public final class Tally {
  /** Observations that are through, whatever became of them. */
  public static final LongAdder THROUGH = new LongAdder();
  /** Arrivals that came when their window was closed, where the job itself sees them. */
  public static final LongAdder LATE = new LongAdder();

  private Tally() {}

  public static void tell(LongSupplier dropped) {
    Thread teller =
        new Thread(
            () -> {
              try {
                while (true) {
                  System.out.println("observations=" + THROUGH.sum() + " dropped=" + dropped.getAsLong());
                  Thread.sleep(100);
                }
              } catch (InterruptedException over) {
                // The process ends.
              }
            });
    teller.setDaemon(true);
    teller.start();
  }
}
