package velostream.oracle;

import java.nio.charset.StandardCharsets;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ArrayNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.JsonNodeFactory;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.Table;
import org.apache.flink.table.api.TableDescriptor;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;
import org.apache.flink.table.catalog.Column;
import org.apache.flink.table.catalog.ResolvedSchema;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.planner.loader.PlannerModule;
import org.apache.flink.table.runtime.typeutils.RowDataSerializer;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.table.utils.print.RowDataToStringConverter;

/**
 * Runs one case: tables, one query, an arrival order; gives the resolved schema and the changelog.
 *
 * <p>Request: {"tables": [{"name", "columns", "rows": [text], "lookup": bool, "options": {}}], "order": [[table, row index]],
 * "query", "config": {}, "quiet_ms", "timeout_ms"}. Answer: {"schema": [[name, type]], "changelog": [[kind, values]],
 * "events": [turn of each change]} or {"error": "Class: message"} of the root cause.
 */
final class CaseRunner {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

    private final LocalFlink flink;
    private int runs;

    CaseRunner(LocalFlink flink) {
        this.flink = flink;
    }

    ObjectNode run(JsonNode request) throws Exception {
        String id = "case-" + runs++;
        Scenario scenario = scenarioOf(id, request);
        scenario.register();
        try {
            return execute(id, scenario, request);
        } catch (TimeoutException e) {
            throw e;
        } catch (Exception e) {
            ObjectNode failed = JSON.objectNode();
            failed.put("error", rootCause(e));
            return failed;
        } finally {
            scenario.unregister();
        }
    }

    private static Scenario scenarioOf(String id, JsonNode request) {
        Map<String, List<byte[]>> rows = new HashMap<>();
        for (JsonNode table : request.get("tables")) {
            List<byte[]> payloads = new ArrayList<>();
            table.get("rows").forEach(row -> payloads.add(row.asText().getBytes(StandardCharsets.UTF_8)));
            rows.put(table.get("name").asText(), payloads);
        }
        List<Scenario.Delivery> deliveries = new ArrayList<>();
        for (JsonNode turn : request.get("order")) {
            String table = turn.get(0).asText();
            deliveries.add(new Scenario.Delivery(table, rows.get(table).get(turn.get(1).asInt())));
        }
        return new Scenario(id, deliveries, rows, request.get("quiet_ms").asLong());
    }

    private ObjectNode execute(String id, Scenario scenario, JsonNode request) throws Exception {
        Configuration settings = flink.caseConfiguration();
        request.get("config").properties().forEach(e -> settings.setString(e.getKey(), e.getValue().asText()));
        TableEnvironment env =
                TableEnvironment.create(
                        EnvironmentSettings.newInstance().inStreamingMode().withConfiguration(settings).build());
        for (JsonNode table : request.get("tables")) {
            env.executeSql(ddl(id, table));
        }
        Table query = env.sqlQuery(request.get("query").asText());
        ResolvedSchema schema = query.getResolvedSchema();
        DataType rowType = schema.toPhysicalRowDataType();
        scenario.keepWith(new RowDataSerializer((RowType) rowType.getLogicalType())::copy);
        TableDescriptor sink =
                TableDescriptor.forConnector(ScenarioTableFactory.IDENTIFIER)
                        .option(ScenarioTableFactory.SCENARIO, id)
                        .build();
        TableResult result = query.insertInto(sink).execute();
        JobClient job = result.getJobClient().orElseThrow();
        flink.awaitRunning(job.getJobID());
        scenario.start();
        try {
            result.await(request.get("timeout_ms").asLong(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            job.cancel().get();
            throw e;
        }
        return answer(schema, scenario.changes(), printer(rowType, env));
    }

    private static String ddl(String id, JsonNode table) {
        Map<String, String> options = new HashMap<>();
        options.put("connector", ScenarioTableFactory.IDENTIFIER);
        options.put("scenario", id);
        options.put("table", table.get("name").asText());
        options.put("format", "json");
        table.get("options").properties().forEach(e -> options.put(e.getKey(), e.getValue().asText()));
        List<String> with = new ArrayList<>();
        options.forEach((key, value) -> with.add("'" + key + "' = '" + value + "'"));
        return "CREATE TEMPORARY TABLE `" + table.get("name").asText() + "` (" + table.get("columns").asText() + ") WITH ("
                + String.join(", ", with) + ")";
    }

    /**
     * CAST AS STRING for every column, null for NULL, by the class that Flink's own SELECT uses. It is inside the planner,
     * which Flink loads apart, hence by reflection. Not for use in a task: what it compiles is kept in a cache, with the class
     * loader of the thread.
     */
    private static Function<RowData, String[]> printer(DataType rowType, TableEnvironment env) throws Exception {
        ClassLoader planner = PlannerModule.getInstance().getSubmoduleClassLoader();
        ClassLoader own = CaseRunner.class.getClassLoader();
        Class<?> contextClass = planner.loadClass("org.apache.flink.table.planner.codegen.CodeGeneratorContext");
        Object context =
                contextClass.getConstructor(ReadableConfig.class, ClassLoader.class).newInstance(env.getConfig(), own);
        RowDataToStringConverter converter =
                (RowDataToStringConverter)
                        planner.loadClass("org.apache.flink.table.planner.functions.casting.RowDataToStringConverterImpl")
                                .getConstructor(
                                        DataType.class, ZoneId.class, ClassLoader.class, boolean.class, contextClass)
                                .newInstance(rowType, env.getConfig().getLocalTimeZone(), own, false, context);
        List<LogicalType> types = rowType.getLogicalType().getChildren();
        RowData.FieldGetter[] fields = new RowData.FieldGetter[types.size()];
        for (int i = 0; i < fields.length; i++) {
            fields[i] = RowData.createFieldGetter(types.get(i), i);
        }
        return row -> {
            String[] texts = converter.convert(row);
            for (int i = 0; i < texts.length; i++) {
                texts[i] = fields[i].getFieldOrNull(row) == null ? null : texts[i];
            }
            return texts;
        };
    }

    private static ObjectNode answer(
            ResolvedSchema schema, List<Scenario.Change> changes, Function<RowData, String[]> printer) {
        ObjectNode answer = JSON.objectNode();
        ArrayNode columns = answer.putArray("schema");
        for (Column column : schema.getColumns()) {
            columns.addArray().add(column.getName()).add(column.getDataType().getLogicalType().asSummaryString());
        }
        ArrayNode changelog = answer.putArray("changelog");
        ArrayNode events = answer.putArray("events");
        for (Scenario.Change change : changes) {
            ArrayNode row = changelog.addArray().add(change.row().getRowKind().shortString());
            for (String value : printer.apply(change.row())) {
                row.add(value);
            }
            events.add(change.turn());
        }
        return answer;
    }

    private static String rootCause(Throwable failure) {
        Throwable root = failure instanceof ExecutionException ? failure.getCause() : failure;
        while (root.getCause() != null && root.getCause() != root) {
            root = root.getCause();
        }
        return root.getClass().getSimpleName() + ": " + root.getMessage();
    }
}
