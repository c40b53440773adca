package velostream.oracle;

import java.util.Set;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.table.connector.format.DecodingFormat;
import org.apache.flink.table.connector.sink.DynamicTableSink;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DeserializationFormatFactory;
import org.apache.flink.table.factories.DynamicTableSinkFactory;
import org.apache.flink.table.factories.DynamicTableSourceFactory;
import org.apache.flink.table.factories.FactoryUtil;

/**
 * 'connector' = 'scenario': a table of a running {@link Scenario}.
 *
 * <p>Options: 'scenario' (its id), 'table' (sources: whose rows), 'query' (sinks: whose result), 'format' (sources: how they
 * are decoded), 'changelog' (see {@link ChangelogModes}; sources: what rows may do, each then begins with its kind; sinks:
 * what they take, without it everything). A source can be scanned, row by row in the scenario's order, and looked up, all its
 * rows at once. As a sink it records the changelog.
 */
public final class ScenarioTableFactory implements DynamicTableSourceFactory, DynamicTableSinkFactory {
    static final String IDENTIFIER = "scenario";
    static final ConfigOption<String> SCENARIO = ConfigOptions.key("scenario").stringType().noDefaultValue();
    static final ConfigOption<Integer> QUERY = ConfigOptions.key("query").intType().defaultValue(0);
    static final ConfigOption<String> CHANGELOG = ConfigOptions.key("changelog").stringType().noDefaultValue();
    static final ConfigOption<String> TABLE = ConfigOptions.key("table").stringType().noDefaultValue();

    @Override
    public String factoryIdentifier() {
        return IDENTIFIER;
    }

    @Override
    public Set<ConfigOption<?>> requiredOptions() {
        return Set.of(SCENARIO);
    }

    @Override
    public Set<ConfigOption<?>> optionalOptions() {
        return Set.of(TABLE, QUERY, CHANGELOG, FactoryUtil.FORMAT);
    }

    @Override
    public DynamicTableSource createDynamicTableSource(Context context) {
        FactoryUtil.TableFactoryHelper options = FactoryUtil.createTableFactoryHelper(this, context);
        DecodingFormat<DeserializationSchema<RowData>> format =
                options.discoverDecodingFormat(DeserializationFormatFactory.class, FactoryUtil.FORMAT);
        options.validate();
        return new ScenarioSource(
                options.getOptions().get(SCENARIO),
                options.getOptions().get(TABLE),
                format,
                ChangelogModes.of(options.getOptions().get(CHANGELOG)),
                context.getPhysicalRowDataType());
    }

    @Override
    public DynamicTableSink createDynamicTableSink(Context context) {
        FactoryUtil.TableFactoryHelper options = FactoryUtil.createTableFactoryHelper(this, context);
        options.validate();
        return new RecordingSink(
                options.getOptions().get(SCENARIO),
                options.getOptions().get(QUERY),
                ChangelogModes.of(options.getOptions().get(CHANGELOG)));
    }
}
