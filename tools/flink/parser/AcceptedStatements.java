import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import org.apache.calcite.config.Lex;
import org.apache.calcite.sql.SqlNode;
import org.apache.calcite.sql.dialect.AnsiSqlDialect;
import org.apache.calcite.sql.parser.SqlParseException;
import org.apache.calcite.sql.parser.SqlParser;
import org.apache.flink.sql.parser.impl.FlinkSqlParserImpl;
import org.apache.flink.sql.parser.validate.FlinkSqlConformance;
import org.apache.flink.table.planner.parse.ExtendedParser;

/**
 * Says of every statement on standard input, a line of base64 each, whether Flink's own parser accepts it.
 *
 * <p>Answers a line each: the class of the tree and, separated by a tab, base64 of the tree written back as SQL with
 * every name quoted and every operator in parentheses; or ERROR and base64 of the message. Statements that Flink's
 * planner takes by pattern before it parses (SET, RESET, HELP, …) give EXTENDED and the class of the operation.
 */
public final class AcceptedStatements {
    private AcceptedStatements() {}

    public static void main(String[] arguments) throws Exception {
        SqlParser.Config config =
                SqlParser.config()
                        .withParserFactory(FlinkSqlParserImpl.FACTORY)
                        .withConformance(FlinkSqlConformance.DEFAULT)
                        .withLex(Lex.JAVA)
                        .withIdentifierMaxLength(256);
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String sql = new String(Base64.getDecoder().decode(line), StandardCharsets.UTF_8);
            out.println(answer(sql, config));
        }
    }

    private static String answer(String sql, SqlParser.Config config) {
        var extended = ExtendedParser.INSTANCE.parse(sql);
        if (extended.isPresent()) {
            return "EXTENDED\t" + encoded(extended.get().getClass().getSimpleName());
        }
        try {
            SqlNode tree = SqlParser.create(sql, config).parseStmt();
            return tree.getClass().getSimpleName() + "\t" + encoded(unparsed(tree));
        } catch (SqlParseException | RuntimeException failure) {
            return "ERROR\t" + encoded(String.valueOf(failure.getMessage()));
        }
    }

    private static String unparsed(SqlNode tree) {
        try {
            return tree.toSqlString(
                            c ->
                                    c.withDialect(AnsiSqlDialect.DEFAULT)
                                            .withAlwaysUseParentheses(true)
                                            .withQuoteAllIdentifiers(true)
                                            .withSelectListItemsOnSeparateLines(false)
                                            .withIndentation(0))
                    .getSql();
        } catch (RuntimeException cannotBeWritten) {
            return "";
        }
    }

    private static String encoded(String text) {
        return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
    }
}
