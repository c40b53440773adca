import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.List;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.minicluster.MiniClusterConfiguration;
import org.apache.flink.table.gateway.SqlGateway;
import org.apache.flink.table.gateway.service.context.DefaultContext;
import org.apache.flink.table.gateway.service.session.SessionManager;

/**
 * A SQL gateway and the cluster that runs its jobs, in one JVM, on free ports of the loopback address.
 *
 * <p>Arguments are settings, {@code key=value}. Prints {@code READY <port of the gateway> <port of the cluster>} and
 * ends when its standard input does.
 */
public final class GatewayServer {
    private static final String LOOPBACK = "127.0.0.1";

    private GatewayServer() {}

    public static void main(String[] settings) throws Exception {
        Configuration configuration = new Configuration();
        configuration.setString("rest.address", LOOPBACK);
        configuration.setString("rest.bind-address", LOOPBACK);
        configuration.setString("rest.port", "0");
        for (String setting : settings) {
            int equals = setting.indexOf('=');
            configuration.setString(setting.substring(0, equals), setting.substring(equals + 1));
        }
        MiniCluster cluster =
                new MiniCluster(
                        new MiniClusterConfiguration.Builder()
                                .setConfiguration(configuration)
                                .setNumTaskManagers(1)
                                .setNumSlotsPerTaskManager(8)
                                .build());
        cluster.start();
        int clusterPort = cluster.getRestAddress().get().getPort();
        int gatewayPort = freePort();
        configuration.setString("rest.port", Integer.toString(clusterPort));
        configuration.setString("execution.target", "remote");
        configuration.setString("sql-gateway.endpoint.type", "rest");
        configuration.setString("sql-gateway.endpoint.rest.address", LOOPBACK);
        configuration.setString("sql-gateway.endpoint.rest.bind-address", LOOPBACK);
        configuration.setString("sql-gateway.endpoint.rest.port", Integer.toString(gatewayPort));
        DefaultContext context = new DefaultContext(configuration, List.of());
        SqlGateway gateway = new SqlGateway(context.getFlinkConfig(), SessionManager.create(context));
        gateway.start();
        System.out.println("READY " + gatewayPort + " " + clusterPort);
        System.out.flush();
        while (System.in.read() >= 0) {
            // Nothing is said to it; whoever started it closes its input, or ends.
        }
        gateway.stop();
        cluster.close();
        System.exit(0);
    }

    private static int freePort() throws Exception {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getByName(LOOPBACK))) {
            return socket.getLocalPort();
        }
    }
}
