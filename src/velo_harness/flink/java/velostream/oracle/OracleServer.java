package velostream.oracle;

import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.TimeZone;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
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

        BlockingQueue<String> requests = new LinkedBlockingQueue<>();
        Thread reader = new Thread(() -> readAll(requests), "requests");
        reader.setDaemon(true);
        reader.start();
        while (true) {
            ObjectNode answer;
            try {
                answer = runner.run(mapper.readTree(requests.take()));
            } catch (Exception e) {
                answer = mapper.createObjectNode();
                answer.put("failed", e.toString());
            }
            answers.println(mapper.writeValueAsString(answer));
        }
    }

    /** On a thread of its own, so that the JVM ends with its caller even while the planner is in an endless loop. */
    private static void readAll(BlockingQueue<String> requests) {
        try {
            BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
            for (String line = input.readLine(); line != null; line = input.readLine()) {
                requests.add(line);
            }
        } catch (IOException e) {
            // the caller is gone: the same as the end of input
        }
        Runtime.getRuntime().halt(0);
    }
}
