import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.UUID;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * What the Java client of Kafka may rely on; argument: the broker's address. Prints a line for each check: its name, a
 * tab, and nothing or what went wrong.
 */
public final class JavaClientChecks {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final Duration POLL = Duration.ofMillis(50);

    private final String address;
    private final Admin admin;
    private final Map<String, Check> checks = new LinkedHashMap<>();

    private interface Check {
        void run() throws Exception;
    }

    public static void main(String[] arguments) {
        new JavaClientChecks(arguments[0]).runAll();
        System.exit(0);
    }

    private JavaClientChecks(String address) {
        this.address = address;
        this.admin = Admin.create(properties(Map.of()));
        checks.put("describe_cluster", this::describeCluster);
        checks.put("describe_topics", this::describeTopics);
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            checks.put("compression_" + codec, () -> compression(codec));
        }
        checks.put("end_offsets_of_admin_and_consumer", this::endOffsets);
        checks.put("offset_for_timestamp", this::offsetForTimestamp);
        checks.put("group_commits_and_resumes", this::groupCommitsAndResumes);
        checks.put("transaction_committed", this::transactionCommitted);
        checks.put("transaction_aborted", this::transactionAborted);
        checks.put("offsets_in_transaction", this::offsetsInTransaction);
        checks.put("successor_fences_predecessor", this::successorFencesPredecessor);
        checks.put("admin_fences_producer", this::adminFencesProducer);
        checks.put("list_groups", this::listGroups);
        checks.put("delete_topics", this::deleteTopics);
    }

    private void runAll() {
        checks.forEach(
                (name, check) -> {
                    String wrong = "";
                    try {
                        check.run();
                    } catch (Throwable failure) {
                        wrong = failure.toString().replaceAll("\\s+", " ");
                    }
                    System.out.println(name + "\t" + wrong);
                });
    }

    // -- the checks

    private void describeCluster() throws Exception {
        equal(1, admin.describeCluster().nodes().get().size());
    }

    private void describeTopics() throws Exception {
        String topic = newTopic(3);
        equal(3, admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size());
    }

    private void compression(String codec) throws Exception {
        String topic = newTopic(1);
        try (var producer = producer(Map.of("compression.type", codec, "linger.ms", "20"))) {
            numbered(500).forEach(value -> producer.send(new ProducerRecord<>(topic, 0, null, value)));
        }
        equal(numbered(500), committedValues(topic, 500));
    }

    private void endOffsets() throws Exception {
        TopicPartition partition = new TopicPartition(filled(10), 0);
        equal(10L, offset(partition, OffsetSpec.latest()));
        equal(0L, offset(partition, OffsetSpec.earliest()));
        try (var consumer = consumer(Map.of())) {
            equal(10L, consumer.endOffsets(List.of(partition)).get(partition));
            equal(0L, consumer.beginningOffsets(List.of(partition)).get(partition));
        }
    }

    private void offsetForTimestamp() throws Exception {
        String topic = newTopic(1);
        try (var producer = producer(Map.of("linger.ms", "50"))) {
            for (int i = 0; i < 10; i++) {
                producer.send(new ProducerRecord<>(topic, 0, 1000L + i, null, "v"));
            }
        }
        equal(5L, offset(new TopicPartition(topic, 0), OffsetSpec.forTimestamp(1005)));
    }

    private void groupCommitsAndResumes() throws Exception {
        String topic = filled(10);
        String group = unique();
        try (var consumer = consumer(Map.of("group.id", group))) {
            consumer.subscribe(List.of(topic));
            equal(10, read(consumer, 10).size());
            consumer.commitSync();
        }
        write(topic, List.of("new"));
        try (var consumer = consumer(Map.of("group.id", group))) {
            consumer.subscribe(List.of(topic));
            equal(List.of("new"), read(consumer, 1));
        }
    }

    private void transactionCommitted() throws Exception {
        String topic = newTopic(1);
        try (var producer = transactional(unique())) {
            producer.beginTransaction();
            numbered(10).forEach(value -> producer.send(new ProducerRecord<>(topic, 0, null, value)));
            producer.commitTransaction();
        }
        equal(numbered(10), committedValues(topic, 10));
    }

    private void transactionAborted() throws Exception {
        String topic = newTopic(1);
        try (var producer = transactional(unique())) {
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic, 0, null, "aborted")).get();
            producer.abortTransaction();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic, 0, null, "committed"));
            producer.commitTransaction();
        }
        equal(List.of("committed"), committedValues(topic, 1));
    }

    private void offsetsInTransaction() throws Exception {
        TopicPartition source = new TopicPartition(filled(10), 0);
        String target = newTopic(1);
        try (var consumer = consumer(Map.of("group.id", unique())); var producer = transactional(unique())) {
            consumer.subscribe(List.of(source.topic()));
            read(consumer, 10);
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(target, 0, null, "done"));
            producer.sendOffsetsToTransaction(
                    Map.of(source, new OffsetAndMetadata(10, "epoch=1")), consumer.groupMetadata());
            producer.commitTransaction();
            OffsetAndMetadata committed = consumer.committed(Set.of(source)).get(source);
            equal(10L, committed.offset());
            equal("epoch=1", committed.metadata());
        }
    }

    private void successorFencesPredecessor() throws Exception {
        String topic = newTopic(1);
        String id = unique();
        try (var zombie = transactional(id)) {
            zombie.beginTransaction();
            zombie.send(new ProducerRecord<>(topic, 0, null, "zombie")).get();
            try (var successor = transactional(id)) {
                refused(zombie::commitTransaction);
                successor.beginTransaction();
                successor.send(new ProducerRecord<>(topic, 0, null, "successor"));
                successor.commitTransaction();
            }
        }
        equal(List.of("successor"), committedValues(topic, 1));
    }

    private void adminFencesProducer() throws Exception {
        String topic = newTopic(1);
        String id = unique();
        try (var producer = transactional(id)) {
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic, 0, null, "fenced")).get();
            admin.fenceProducers(List.of(id)).all().get();
            refused(producer::commitTransaction);
        }
    }

    private void listGroups() throws Exception {
        String topic = filled(1);
        String group = unique();
        try (var consumer = consumer(Map.of("group.id", group))) {
            consumer.subscribe(List.of(topic));
            read(consumer, 1);
            equal(true, admin.listGroups().all().get().stream().anyMatch(listed -> listed.groupId().equals(group)));
        }
    }

    private void deleteTopics() throws Exception {
        String topic = newTopic(1);
        admin.deleteTopics(List.of(topic)).all().get();
        long deadline = deadline();
        while (admin.listTopics().names().get().contains(topic)) {
            inTime(deadline, topic + " is still listed");
        }
    }

    // -- what they are made of

    private Properties properties(Map<String, String> further) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", address);
        properties.putAll(further);
        return properties;
    }

    private KafkaProducer<String, String> producer(Map<String, String> further) {
        return new KafkaProducer<>(properties(further), new StringSerializer(), new StringSerializer());
    }

    private KafkaProducer<String, String> transactional(String id) {
        var producer = producer(Map.of("transactional.id", id));
        producer.initTransactions();
        return producer;
    }

    private KafkaConsumer<String, String> consumer(Map<String, String> further) {
        Properties properties = properties(further);
        properties.put("auto.offset.reset", "earliest");
        properties.put("enable.auto.commit", "false");
        properties.put("isolation.level", "read_committed");
        return new KafkaConsumer<>(properties, new StringDeserializer(), new StringDeserializer());
    }

    private String newTopic(int partitions) throws Exception {
        String topic = unique();
        NewTopic wanted = new NewTopic(topic, partitions, (short) 1).configs(Map.of("retention.ms", "-1"));
        admin.createTopics(List.of(wanted)).all().get();
        long deadline = deadline();
        while (!admin.listTopics().names().get().contains(topic)) {
            inTime(deadline, topic + " is not listed");
        }
        return topic;
    }

    private String filled(int records) throws Exception {
        String topic = newTopic(1);
        write(topic, numbered(records));
        return topic;
    }

    private void write(String topic, List<String> values) {
        try (var producer = producer(Map.of("linger.ms", "50"))) {
            values.forEach(value -> producer.send(new ProducerRecord<>(topic, 0, null, value)));
        }
    }

    private long offset(TopicPartition partition, OffsetSpec which) throws Exception {
        return admin.listOffsets(Map.of(partition, which)).partitionResult(partition).get().offset();
    }

    private List<String> committedValues(String topic, int count) {
        TopicPartition partition = new TopicPartition(topic, 0);
        try (var consumer = consumer(Map.of())) {
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            return read(consumer, count);
        }
    }

    private static List<String> read(KafkaConsumer<String, String> consumer, int count) {
        List<String> values = new ArrayList<>();
        long deadline = deadline();
        while (values.size() < count) {
            for (ConsumerRecord<String, String> record : consumer.poll(POLL)) {
                values.add(record.value());
            }
            inTime(deadline, values.size() + " of " + count + " records");
        }
        return values;
    }

    private static List<String> numbered(int count) {
        return IntStream.range(0, count).mapToObj(String::valueOf).toList();
    }

    private static String unique() {
        return "java-" + UUID.randomUUID();
    }

    private static long deadline() {
        return System.nanoTime() + PATIENCE.toNanos();
    }

    private static void inTime(long deadline, String what) {
        if (System.nanoTime() > deadline) {
            throw new IllegalStateException("not in time: " + what);
        }
    }

    private static void refused(Runnable action) {
        try {
            action.run();
        } catch (KafkaException expected) {
            return;
        }
        throw new IllegalStateException("not refused");
    }

    private static void equal(Object expected, Object actual) {
        if (!expected.equals(actual)) {
            throw new IllegalStateException("expected " + expected + ", got " + actual);
        }
    }
}
