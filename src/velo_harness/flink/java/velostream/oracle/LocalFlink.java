package velostream.oracle;

import java.net.URI;
import org.apache.flink.api.common.JobID;
import org.apache.flink.api.common.JobStatus;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.execution.ExecutionState;
import org.apache.flink.runtime.executiongraph.AccessExecutionGraph;
import org.apache.flink.runtime.executiongraph.AccessExecutionVertex;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.minicluster.MiniClusterConfiguration;

/** A Flink cluster inside this JVM, on loopback only, kept warm for many jobs. */
final class LocalFlink {
    private static final int SLOTS = 4;
    private static final long POLL_MILLIS = 5;

    private final Configuration configuration = new Configuration();
    private final MiniCluster cluster;

    LocalFlink() throws Exception {
        set("taskmanager.memory.network.min", "64mb");
        set("taskmanager.memory.network.max", "64mb");
        set("taskmanager.memory.managed.size", "128mb");
        set("taskmanager.numberOfTaskSlots", String.valueOf(SLOTS));
        set("rest.address", "localhost");
        set("rest.bind-address", "127.0.0.1");
        set("rest.bind-port", "0");
        set("jobmanager.bind-host", "127.0.0.1");
        set("taskmanager.bind-host", "127.0.0.1");
        set("heartbeat.timeout", "180000");
        set("client.retry-period", "20 ms");
        // Not to hang on how busy the machine is.
        set("pekko.ask.timeout", "120 s");
        set("client.timeout", "120 s");
        set("web.timeout", "120000");
        cluster =
                new MiniCluster(
                        new MiniClusterConfiguration.Builder()
                                .setConfiguration(configuration)
                                .setCommonBindAddress("127.0.0.1")
                                .setNumTaskManagers(1)
                                .setNumSlotsPerTaskManager(SLOTS)
                                .build());
        cluster.start();
        URI rest = cluster.getRestAddress().get();
        set("execution.target", "remote");
        set("execution.attached", "true");
        set("rest.address", rest.getHost());
        set("rest.port", String.valueOf(rest.getPort()));
    }

    private void set(String key, String value) {
        configuration.setString(key, value);
    }

    /** The settings under which every case runs: one task per operator, a watermark after each row, nothing buffered. */
    Configuration caseConfiguration() {
        Configuration settings = new Configuration(configuration);
        settings.setString("parallelism.default", "1");
        settings.setString("table.local-time-zone", "UTC");
        settings.setString("pipeline.auto-watermark-interval", "0 ms");
        settings.setString("execution.buffer-timeout.interval", "0 ms");
        settings.setString("table.exec.legacy-cast-behaviour", "DISABLED");
        // A result may show several row-time columns; the sink only records them.
        settings.setString("table.exec.sink.rowtime-inserter", "DISABLED");
        return settings;
    }

    /** Returns when every task of the job runs, or the job has ended. */
    void awaitRunning(JobID job) throws Exception {
        while (true) {
            AccessExecutionGraph graph = cluster.getExecutionGraph(job).get();
            if (graph.getState().isGloballyTerminalState() || graph.getState() == JobStatus.FAILING) {
                return;
            }
            boolean all = true;
            for (AccessExecutionVertex vertex : graph.getAllExecutionVertices()) {
                ExecutionState state = vertex.getExecutionState();
                all &= state == ExecutionState.RUNNING || state == ExecutionState.FINISHED;
            }
            if (all) {
                return;
            }
            Thread.sleep(POLL_MILLIS);
        }
    }
}
