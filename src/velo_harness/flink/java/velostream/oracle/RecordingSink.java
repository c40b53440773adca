package velostream.oracle;

import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.sink.DynamicTableSink;
import org.apache.flink.table.connector.sink.SinkV2Provider;
import org.apache.flink.table.data.RowData;

/** Hands every change of a query's result to its scenario, with the turn in force. */
final class RecordingSink implements DynamicTableSink {
    private final String scenario;
    private final int query;
    private final ChangelogMode taken;

    /** {@code taken} is what it takes; null to take the changelog as the query gives it, as Flink's collecting sink does. */
    RecordingSink(String scenario, int query, ChangelogMode taken) {
        this.scenario = scenario;
        this.query = query;
        this.taken = taken;
    }

    @Override
    public ChangelogMode getChangelogMode(ChangelogMode requested) {
        return taken == null ? requested : taken;
    }

    @Override
    public SinkRuntimeProvider getSinkRuntimeProvider(Context context) {
        return SinkV2Provider.of(new Recorder(scenario, query));
    }

    @Override
    public DynamicTableSink copy() {
        return new RecordingSink(scenario, query, taken);
    }

    @Override
    public String asSummaryString() {
        return "recording sink";
    }

    private record Recorder(String scenario, int query) implements Sink<RowData> {
        @Override
        public SinkWriter<RowData> createWriter(WriterInitContext context) {
            Scenario running = Scenario.running(scenario);
            return new SinkWriter<>() {
                @Override
                public void write(RowData row, Context writerContext) {
                    running.record(query, row);
                }

                @Override
                public void flush(boolean endOfInput) {
                    // write() has already handed over every row
                }

                @Override
                public void close() {
                    // nothing is held
                }
            };
        }
    }
}
