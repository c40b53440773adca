package velostream.oracle;

import java.lang.reflect.Method;
import java.util.List;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TablePipeline;
import org.apache.flink.table.api.internal.TableEnvironmentInternal;
import org.apache.flink.table.planner.loader.PlannerModule;

/**
 * The optimised plan of a statement, with the changelog mode and the upsert keys of every node.
 *
 * <p>EXPLAIN shows only the former; the planner's own tests print both. The planner is loaded apart, hence the reflection.
 */
final class PlanExplainer {
    private static final String UTILITIES = "org.apache.flink.table.planner.plan.utils.FlinkRelOptUtil";

    private PlanExplainer() {}

    static String explain(TableEnvironment env, TablePipeline statement) throws Exception {
        Method getOperation = statement.getClass().getDeclaredMethod("getOperation");
        getOperation.setAccessible(true);
        Object operation = getOperation.invoke(statement);
        ClassLoader loader = PlannerModule.getInstance().getSubmoduleClassLoader();
        Object planner = ((TableEnvironmentInternal) env).getClass().getMethod("getPlanner").invoke(env);
        planner.getClass().getMethod("beforeTranslation").invoke(planner);
        Object graphs = planner.getClass().getMethod("getExplainGraphs", List.class).invoke(planner, List.of(operation));
        Object optimized = graphs.getClass().getMethod("_2").invoke(graphs);
        Object root = optimized.getClass().getMethod("head").invoke(optimized);
        planner.getClass().getMethod("afterTranslation").invoke(planner);
        Class<?> levels = loader.loadClass("org.apache.calcite.sql.SqlExplainLevel");
        Object level = levels.getField("EXPPLAN_ATTRIBUTES").get(null);
        for (Method method : loader.loadClass(UTILITIES).getMethods()) {
            if (method.getName().equals("toString") && method.getParameterCount() == 8) {
                // node, level, id prefix, changelog modes, row type, upsert keys, query block alias, duplicate changes
                return (String) method.invoke(null, root, level, false, true, false, true, false, false);
            }
        }
        throw new IllegalStateException("another version of Flink");
    }
}
