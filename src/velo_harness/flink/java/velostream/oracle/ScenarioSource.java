package velostream.oracle;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichFlatMapFunction;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.connector.datagen.source.DataGeneratorSource;
import org.apache.flink.connector.datagen.source.GeneratorFunction;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.api.common.functions.util.ListCollector;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.ProviderContext;
import org.apache.flink.table.connector.format.DecodingFormat;
import org.apache.flink.table.connector.source.DataStreamScanProvider;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.connector.source.LookupTableSource;
import org.apache.flink.table.connector.source.ScanTableSource;
import org.apache.flink.table.connector.source.lookup.LookupFunctionProvider;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.functions.FunctionContext;
import org.apache.flink.table.functions.LookupFunction;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.types.RowKind;
import org.apache.flink.util.Collector;
import org.apache.flink.util.SimpleUserCodeClassLoader;
import org.apache.flink.util.UserCodeClassLoader;

/** Reads a table of a scenario: as a bounded stream that keeps the global order, or by key. */
final class ScenarioSource implements ScanTableSource, LookupTableSource {
    private final String scenario;
    private final String table;
    private final DecodingFormat<DeserializationSchema<RowData>> format;
    private final ChangelogMode changes;
    private final DataType rowType;

    /** {@code changes}: each row begins with its kind, which is one of these; null when the format says what it gives. */
    ScenarioSource(
            String scenario,
            String table,
            DecodingFormat<DeserializationSchema<RowData>> format,
            ChangelogMode changes,
            DataType rowType) {
        this.scenario = scenario;
        this.table = table;
        this.format = format;
        this.changes = changes;
        this.rowType = rowType;
    }

    @Override
    public DynamicTableSource copy() {
        return new ScenarioSource(scenario, table, format, changes, rowType);
    }

    @Override
    public String asSummaryString() {
        return "scenario table " + table;
    }

    @Override
    public ChangelogMode getChangelogMode() {
        return changes == null ? format.getChangelogMode() : changes;
    }

    @Override
    public ScanRuntimeProvider getScanRuntimeProvider(ScanContext context) {
        DeserializationSchema<RowData> decoder = format.createRuntimeDecoder(context, rowType);
        TypeInformation<RowData> produced = context.createTypeInformation(rowType);
        return new DataStreamScanProvider() {
            @Override
            public boolean isBounded() {
                return true;
            }

            @Override
            public DataStream<RowData> produceDataStream(ProviderContext provider, StreamExecutionEnvironment env) {
                int count = Scenario.running(scenario).turnsOf(table).length;
                DataGeneratorSource<byte[]> source =
                        new DataGeneratorSource<>(
                                new Turns(scenario, table),
                                count + 1,
                                PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO);
                return env.fromSource(source, WatermarkStrategy.noWatermarks(), "scenario-" + table)
                        .setParallelism(1)
                        .flatMap(new Decode(decoder, changes != null))
                        .returns(produced)
                        .setParallelism(1);
            }
        };
    }

    @Override
    public LookupRuntimeProvider getLookupRuntimeProvider(LookupContext context) {
        int[] keys = Arrays.stream(context.getKeys()).mapToInt(path -> path[0]).toArray();
        LogicalType[] types = rowType.getLogicalType().getChildren().toArray(new LogicalType[0]);
        DeserializationSchema<RowData> decoder = format.createRuntimeDecoder(scanContextOf(context), rowType);
        return LookupFunctionProvider.of(new Lookup(scenario, table, decoder, keys, types));
    }

    /** A format only decodes for scans; a lookup context offers the same three functions under another interface. */
    private static ScanContext scanContextOf(LookupContext context) {
        return new ScanContext() {
            @Override
            public <T> TypeInformation<T> createTypeInformation(DataType type) {
                return context.createTypeInformation(type);
            }

            @Override
            public <T> TypeInformation<T> createTypeInformation(LogicalType type) {
                return context.createTypeInformation(type);
            }

            @Override
            public DynamicTableSource.DataStructureConverter createDataStructureConverter(DataType type) {
                return context.createDataStructureConverter(type);
            }
        };
    }

    private record DecoderContext(MetricGroup metrics) implements DeserializationSchema.InitializationContext {
        @Override
        public MetricGroup getMetricGroup() {
            return metrics;
        }

        @Override
        public UserCodeClassLoader getUserCodeClassLoader() {
            return SimpleUserCodeClassLoader.create(ScenarioSource.class.getClassLoader());
        }
    }

    /** The table's rows in turn, then one empty record that waits for the end of all inputs. */
    private static final class Turns implements GeneratorFunction<Long, byte[]> {
        private final String scenario;
        private final String table;
        private transient int[] turns;

        Turns(String scenario, String table) {
            this.scenario = scenario;
            this.table = table;
        }

        @Override
        public void open(SourceReaderContext context) {
            turns = Scenario.running(scenario).turnsOf(table);
        }

        @Override
        public byte[] map(Long index) throws InterruptedException {
            Scenario running = Scenario.running(scenario);
            if (index < turns.length) {
                return running.takeTurn(turns[index.intValue()]);
            }
            running.awaitEnd();
            return new byte[0];
        }
    }

    /** Bytes to rows; the empty record gives none. */
    private static final class Decode extends RichFlatMapFunction<byte[], RowData> {
        private final DeserializationSchema<RowData> decoder;
        private final boolean kinds;

        Decode(DeserializationSchema<RowData> decoder, boolean kinds) {
            this.decoder = decoder;
            this.kinds = kinds;
        }

        @Override
        public void open(OpenContext context) throws Exception {
            decoder.open(new DecoderContext(getRuntimeContext().getMetricGroup()));
        }

        @Override
        public void flatMap(byte[] payload, Collector<RowData> out) throws Exception {
            if (payload.length > 0) {
                // Not straight to `out`: the format would take an error of the operators after it for its own.
                List<RowData> rows = new ArrayList<>();
                int from = kinds ? ChangelogModes.KIND_LENGTH : 0;
                decoder.deserialize(Arrays.copyOfRange(payload, from, payload.length), new ListCollector<>(rows));
                if (kinds) {
                    RowKind kind = ChangelogModes.kind(new String(payload, 0, from, StandardCharsets.UTF_8));
                    rows.forEach(row -> row.setRowKind(kind));
                }
                rows.forEach(out::collect);
            }
        }
    }

    /** All rows of the table whose key columns equal the asked ones, in the table's order. Flink never asks for NULL keys. */
    public static final class Lookup extends LookupFunction {
        private final String scenario;
        private final String table;
        private final DeserializationSchema<RowData> decoder;
        private final int[] keys;
        private final LogicalType[] types;
        private transient List<RowData> rows;
        private transient RowData.FieldGetter[] rowKeys;
        private transient RowData.FieldGetter[] askedKeys;

        Lookup(
                String scenario,
                String table,
                DeserializationSchema<RowData> decoder,
                int[] keys,
                LogicalType[] types) {
            this.scenario = scenario;
            this.table = table;
            this.decoder = decoder;
            this.keys = keys;
            this.types = types;
        }

        @Override
        public void open(FunctionContext context) throws Exception {
            decoder.open(new DecoderContext(context.getMetricGroup()));
            rows = new ArrayList<>();
            for (byte[] payload : Scenario.running(scenario).lookupRowsOf(table)) {
                rows.add(decoder.deserialize(payload));
            }
            rowKeys = new RowData.FieldGetter[keys.length];
            askedKeys = new RowData.FieldGetter[keys.length];
            for (int i = 0; i < keys.length; i++) {
                rowKeys[i] = RowData.createFieldGetter(types[keys[i]], keys[i]);
                askedKeys[i] = RowData.createFieldGetter(types[keys[i]], i);
            }
        }

        @Override
        public Collection<RowData> lookup(RowData asked) {
            List<RowData> found = new ArrayList<>();
            for (RowData row : rows) {
                if (matches(row, asked)) {
                    found.add(row);
                }
            }
            return found;
        }

        private boolean matches(RowData row, RowData asked) {
            for (int i = 0; i < keys.length; i++) {
                if (!Objects.equals(rowKeys[i].getFieldOrNull(row), askedKeys[i].getFieldOrNull(asked))) {
                    return false;
                }
            }
            return true;
        }
    }
}
