import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.opensearch.analysis.common.CommonAnalysisPlugin;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.node.Node;
import org.opensearch.plugins.Plugin;
import org.opensearch.transport.Netty4Plugin;

/** A single node of OpenSearch on 127.0.0.1: OpenSearchNode FOLDER HTTP-PORT TRANSPORT-PORT. */
public class OpenSearchNode extends Node {
    OpenSearchNode(Settings settings, Path home, List<Class<? extends Plugin>> plugins) {
        super(new Environment(settings, home.resolve("config")), plugins, false);
    }

    public static void main(String[] words) throws Exception {
        Path home = Path.of(words[0]);
        Files.createDirectories(home.resolve("config"));
        Settings settings = Settings.builder()
            .put("path.home", home.toString())
            .put("path.data", home.resolve("data").toString())
            .put("path.logs", home.resolve("logs").toString())
            .put("cluster.name", "teltest")
            .put("node.name", "teltest")
            .put("network.host", "127.0.0.1")
            .put("http.port", words[1])
            .put("transport.port", words[2])
            .put("discovery.type", "single-node")
            .put("transport.type", "netty4")
            .put("http.type", "netty4")
            .put("cluster.routing.allocation.disk.threshold_enabled", false)
            .build();
        OpenSearchNode node =
            new OpenSearchNode(settings, home, List.of(Netty4Plugin.class, CommonAnalysisPlugin.class));
        node.start();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
            } catch (Exception problem) {
                problem.printStackTrace();
            }
        }));
        Thread.currentThread().join();
    }
}
