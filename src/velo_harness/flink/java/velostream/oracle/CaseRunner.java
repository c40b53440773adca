package velostream.oracle;

import java.lang.reflect.InvocationTargetException;
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
import org.apache.flink.table.api.InsertConflictStrategy;
import org.apache.flink.table.api.StatementSet;
import org.apache.flink.table.api.Table;
import org.apache.flink.table.api.TableDescriptor;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TablePipeline;
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
 * Runs one case: tables, queries over them as one job, an arrival order; gives each resolved schema and changelog.
 *
 * <p>Request: {"tables": [{"name", "columns", "rows": [text], "options": {}}], "order": [[table, row index]],
 * "queries": [text], "config": {}, "quiet_ms", "timeout_ms"}; a single query may go into a declared sink, "sink": {"columns",
 * "changelog", "conflict": "" or what ON CONFLICT DO says}, and with "explain": true it is not run: then its answer is {"plan"}, see PlanExplainer. Answer: {"answers": [one for each query]}, which is {"schema":
 * [[name, type]], "changelog": [[kind, values]], "events": [turn of each change]} or, for a query that cannot be planned,
 * {"error": "Class: message"} of the root cause; {"error"} alone when the job failed.
 */
final class CaseRunner {
    private static final String SINK = "declared_sink";
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
        } catch (TimeoutException | IllegalStateException e) {
            throw e;
        } catch (Exception e) {
            return error(e);
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

    /** A query that passed validation. */
    private record Query(int index, Table table, ResolvedSchema schema, DataType rowType, JsonNode sink) {}

    private ObjectNode execute(String id, Scenario scenario, JsonNode request) throws Exception {
        Configuration settings = flink.caseConfiguration();
        request.get("config").properties().forEach(e -> settings.setString(e.getKey(), e.getValue().asText()));
        TableEnvironment env =
                TableEnvironment.create(
                        EnvironmentSettings.newInstance().inStreamingMode().withConfiguration(settings).build());
        for (JsonNode table : request.get("tables")) {
            env.executeSql(ddl(id, table));
        }
        JsonNode texts = request.get("queries");
        ObjectNode[] answers = new ObjectNode[texts.size()];
        List<Query> queries = new ArrayList<>();
        for (int i = 0; i < texts.size(); i++) {
            try {
                queries.add(validated(i, env.sqlQuery(texts.get(i).asText()), request.get("sink"), sinkOf(id, env, request), scenario));
            } catch (Exception e) {
                answers[i] = error(e);
            }
        }
        if (request.path("explain").asBoolean()) {
            for (Query query : queries) {
                answers[query.index] = explained(id, env, query);
            }
            return replyOf(answers);
        }
        TableResult result = submitted(id, env, queries, answers);
        if (result != null) {
            JobClient job = result.getJobClient().orElseThrow();
            flink.awaitRunning(job.getJobID());
            scenario.start();
            try {
                result.await(request.get("timeout_ms").asLong(), TimeUnit.MILLISECONDS);
            } catch (TimeoutException e) {
                job.cancel().get();
                throw e;
            }
        }
        for (Query query : queries) {
            if (answers[query.index] == null) {
                answers[query.index] =
                        answer(query.schema, scenario.changes(query.index), printer(query.rowType, env));
            }
        }
        return replyOf(answers);
    }

    private static ObjectNode replyOf(ObjectNode[] answers) {
        ObjectNode reply = JSON.objectNode();
        reply.putArray("answers").addAll(List.of(answers));
        return reply;
    }

    private static ObjectNode explained(String id, TableEnvironment env, Query query) {
        try {
            ObjectNode answer = JSON.objectNode();
            answer.put("plan", PlanExplainer.explain(env, pipeline(id, query)));
            return answer;
        } catch (InvocationTargetException e) {
            return error((Exception) e.getCause());
        } catch (Exception e) {
            return error(e);
        }
    }

    /** The declared sink of the request's query, created; null when there is none. */
    private static Table sinkOf(String id, TableEnvironment env, JsonNode request) {
        JsonNode sink = request.get("sink");
        if (sink == null) {
            return null;
        }
        env.executeSql(
                "CREATE TEMPORARY TABLE `" + SINK + "` (" + sink.get("columns").asText() + ") WITH ('connector' = '"
                        + ScenarioTableFactory.IDENTIFIER + "', 'scenario' = '" + id + "', 'changelog' = '"
                        + sink.get("changelog").asText() + "')");
        return env.from(SINK);
    }

    /** {@code sink} is null where the query is recorded as it is. */
    private static Query validated(int index, Table table, JsonNode declared, Table sink, Scenario scenario) {
        ResolvedSchema schema = (sink == null ? table : sink).getResolvedSchema();
        DataType rowType = schema.toPhysicalRowDataType();
        scenario.keepWith(index, new RowDataSerializer((RowType) rowType.getLogicalType())::copy);
        return new Query(index, table, schema, rowType, declared);
    }

    /** The running job of all queries that can be planned; the others get their error. Null when none is left. */
    private static TableResult submitted(String id, TableEnvironment env, List<Query> queries, ObjectNode[] answers) {
        if (queries.isEmpty()) {
            return null;
        }
        try {
            return statementSet(id, env, queries).execute();
        } catch (Exception e) {
            if (isAboutSubmission(e)) {
                // The job may run all the same, and would take turns from its second submission.
                throw new IllegalStateException("the job could not be submitted", e);
            }
            if (queries.size() == 1) {
                answers[queries.get(0).index] = error(e);
                return null;
            }
        }
        List<Query> planned = new ArrayList<>();
        for (Query query : queries) {
            try {
                statementSet(id, env, List.of(query)).explain();
                planned.add(query);
            } catch (Exception e) {
                answers[query.index] = error(e);
            }
        }
        return planned.isEmpty() ? null : statementSet(id, env, planned).execute();
    }

    /** Whether the queries were planned: what TableEnvironmentImpl throws from there on. */
    private static boolean isAboutSubmission(Exception failure) {
        return "Failed to execute sql".equals(failure.getMessage());
    }

    private static StatementSet statementSet(String id, TableEnvironment env, List<Query> queries) {
        StatementSet set = env.createStatementSet();
        for (Query query : queries) {
            set.add(pipeline(id, query));
        }
        return set;
    }

    private static TablePipeline pipeline(String id, Query query) {
        if (query.sink != null) {
            switch (query.sink.path("conflict").asText()) {
                case "DEDUPLICATE":
                    return query.table.insertInto(SINK, InsertConflictStrategy.deduplicate());
                case "ERROR":
                    return query.table.insertInto(SINK, InsertConflictStrategy.error());
                case "NOTHING":
                    return query.table.insertInto(SINK, InsertConflictStrategy.nothing());
                default:
                    return query.table.insertInto(SINK);
            }
        }
        TableDescriptor sink =
                TableDescriptor.forConnector(ScenarioTableFactory.IDENTIFIER)
                        .option(ScenarioTableFactory.SCENARIO, id)
                        .option(ScenarioTableFactory.QUERY, query.index)
                        .build();
        return query.table.insertInto(sink);
    }

    private static ObjectNode error(Exception failure) {
        ObjectNode failed = JSON.objectNode();
        failed.put("error", rootCause(failure));
        return failed;
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
