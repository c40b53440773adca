package velostream.oracle;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.apache.flink.table.data.RowData;

/**
 * One case while it runs: the rows of its inputs in one global order, and the changelogs that its queries give.
 *
 * <p>Sources, sink and server live in one JVM, so they meet here by id. A source delivers the row of turn i only after turn
 * i-1 was delivered and a quiet period passed: what the row caused, its watermark included, has then reached the sink. So
 * every recorded change carries the turn that caused it; what the end of input causes carries the number of turns.
 */
final class Scenario {
    /** A row of an input, as the text that the table's format decodes. */
    record Delivery(String table, byte[] payload) {}

    /** A row of the result and the turn during which it arrived. */
    record Change(RowData row, int turn) {}

    private static final Map<String, Scenario> RUNNING = new ConcurrentHashMap<>();

    private final String id;
    private final List<Delivery> deliveries;
    private final Map<String, List<byte[]>> lookupRows;
    private final long quietNanos;
    private final Map<Integer, List<Change>> changes = new HashMap<>();
    private final Map<Integer, UnaryOperator<RowData>> copiers = new HashMap<>();
    private boolean started;
    private int nextTurn;
    private long lastDelivery;
    private boolean ended;

    Scenario(String id, List<Delivery> deliveries, Map<String, List<byte[]>> lookupRows, long quietMillis) {
        this.id = id;
        this.deliveries = deliveries;
        this.lookupRows = lookupRows;
        this.quietNanos = quietMillis * 1_000_000;
    }

    static Scenario running(String id) {
        Scenario scenario = RUNNING.get(id);
        if (scenario == null) {
            throw new IllegalStateException("no scenario " + id + " is running");
        }
        return scenario;
    }

    void register() {
        RUNNING.put(id, this);
    }

    void unregister() {
        RUNNING.remove(id);
    }

    /** Says how a row of a query's result is copied before the task uses its memory again. */
    synchronized void keepWith(int query, UnaryOperator<RowData> rowCopier) {
        copiers.put(query, rowCopier);
    }

    /** Lets the first row go: every task of the job runs. */
    synchronized void start() {
        started = true;
        lastDelivery = System.nanoTime();
        notifyAll();
    }

    /** The turns at which a table's rows are due. */
    int[] turnsOf(String table) {
        return IntStream.range(0, deliveries.size()).filter(i -> deliveries.get(i).table().equals(table)).toArray();
    }

    List<byte[]> lookupRowsOf(String table) {
        return lookupRows.getOrDefault(table, List.of());
    }

    /** The row of a turn, once it is due. */
    synchronized byte[] takeTurn(int turn) throws InterruptedException {
        awaitQuietBefore(turn);
        nextTurn = turn + 1;
        lastDelivery = System.nanoTime();
        notifyAll();
        return deliveries.get(turn).payload();
    }

    /** Returns when all rows were delivered and what they caused has arrived: all inputs end together. */
    synchronized void awaitEnd() throws InterruptedException {
        if (!ended) {
            awaitQuietBefore(deliveries.size());
            ended = true;
        }
    }

    private void awaitQuietBefore(int turn) throws InterruptedException {
        while (true) {
            if (!started || nextTurn != turn) {
                wait();
                continue;
            }
            long remaining = lastDelivery + quietNanos - System.nanoTime();
            if (remaining <= 0) {
                return;
            }
            wait(remaining / 1_000_000, (int) (remaining % 1_000_000));
        }
    }

    synchronized void record(int query, RowData row) {
        int turn = ended ? deliveries.size() : Math.max(nextTurn - 1, 0);
        Change change = new Change(copiers.get(query).apply(row), turn);
        changes.computeIfAbsent(query, none -> new ArrayList<>()).add(change);
    }

    synchronized List<Change> changes(int query) {
        return List.copyOf(changes.getOrDefault(query, List.of()));
    }
}
