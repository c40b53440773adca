import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Scanner;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.ResultKind;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;
import org.apache.flink.types.Row;
import org.apache.flink.util.CloseableIterator;

/**
 * Carries out statements of Flink SQL, one after the other, each when the job of the one before has ended.
 *
 * <p>Arguments are settings, {@code key=value}; standard input is one statement a line, in base64. Prints the rows of a
 * query, one a line, its columns separated by tabs, and an empty line after each statement.
 */
public final class RunStatements {
    private RunStatements() {}

    public static void main(String[] settings) throws Exception {
        Configuration configuration = new Configuration();
        for (String setting : settings) {
            int equals = setting.indexOf('=');
            configuration.setString(setting.substring(0, equals), setting.substring(equals + 1));
        }
        TableEnvironment tables =
                TableEnvironment.create(
                        EnvironmentSettings.newInstance().withConfiguration(configuration).build());
        try (Scanner lines = new Scanner(System.in, StandardCharsets.UTF_8)) {
            while (lines.hasNextLine()) {
                byte[] statement = Base64.getDecoder().decode(lines.nextLine());
                carryOut(tables, new String(statement, StandardCharsets.UTF_8));
                System.out.println();
                System.out.flush();
            }
        }
        // Threads of the cluster within this JVM would keep it alive.
        System.exit(0);
    }

    private static void carryOut(TableEnvironment tables, String statement) throws Exception {
        TableResult result = tables.executeSql(statement);
        if (result.getResultKind() == ResultKind.SUCCESS) {
            return;
        }
        if (statement.stripLeading().toUpperCase().startsWith("INSERT")) {
            result.await();
            return;
        }
        try (CloseableIterator<Row> rows = result.collect()) {
            while (rows.hasNext()) {
                print(rows.next());
            }
        }
    }

    private static void print(Row row) {
        StringBuilder line = new StringBuilder();
        for (int column = 0; column < row.getArity(); column++) {
            line.append(column == 0 ? "" : "\t").append(row.getField(column));
        }
        System.out.println(line);
    }
}
