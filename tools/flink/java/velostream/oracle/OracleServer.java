package velostream.oracle;

import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.TimeZone;
import org.apache.flink.runtime.util.EnvironmentInformation;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * A Flink that answers cases: one JSON request per line on standard input, one JSON answer per line on standard output.
 *
 * <p>The first line it writes is {"flink": version, "java": version}. It ends with its input.
 */
public final class OracleServer {
    private OracleServer() {}

    public static void main(String[] args) throws Exception {
        PrintStream answers = new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);
        // Whatever else prints must not get between the answers.
        System.setOut(new PrintStream(OutputStream.nullOutputStream()));
        TimeZone.setDefault(TimeZone.getTimeZone("UTC"));
        ObjectMapper mapper = new ObjectMapper();
        CaseRunner runner = new CaseRunner(new LocalFlink());

        ObjectNode hello = mapper.createObjectNode();
        hello.put("flink", EnvironmentInformation.getVersion());
        hello.put("java", System.getProperty("java.version"));
        answers.println(mapper.writeValueAsString(hello));

        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            ObjectNode answer;
            try {
                answer = runner.run(mapper.readTree(line));
            } catch (Exception e) {
                answer = mapper.createObjectNode();
                answer.put("failed", e.toString());
            }
            answers.println(mapper.writeValueAsString(answer));
        }
        System.exit(0); // the cluster's threads would keep the JVM alive
    }
}
