// Records what Flink's Avro and Debezium formats make of single messages: one tab-separated case a line in, one JSON
// object out. Run by record_records.py in this folder; nothing else needs Java.
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.*;
import org.apache.flink.avro.shaded.org.apache.avro.Schema;
import org.apache.flink.avro.shaded.org.apache.avro.generic.*;
import org.apache.flink.avro.shaded.org.apache.avro.io.DecoderFactory;
import org.apache.flink.formats.avro.*;
import org.apache.flink.formats.avro.typeutils.AvroSchemaConverter;
import org.apache.flink.formats.common.TimestampFormat;
import org.apache.flink.formats.json.*;
import org.apache.flink.formats.json.debezium.DebeziumJsonDeserializationSchema;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.apache.flink.table.types.logical.*;
import org.apache.flink.table.types.logical.utils.LogicalTypeParser;
import org.apache.flink.table.types.utils.TypeConversions;
import org.apache.flink.util.Collector;

public class FlinkRecords {
  static String quoted(String s) {
    StringBuilder b = new StringBuilder("\"");
    for (char c : s.toCharArray()) {
      if (c == '"' || c == '\\') b.append('\\').append(c);
      else if (c < 32 || c > 126) b.append(String.format("\\u%04x", (int) c));
      else b.append(c);
    }
    return b.append('"').toString();
  }

  static String reason(Throwable t) {
    while (t.getCause() != null && t.getCause() != t) t = t.getCause();
    String m = (t.getClass().getSimpleName() + ": " + t.getMessage()).split("\n")[0];
    return m.length() > 160 ? m.substring(0, 160) : m;
  }

  static String json(RowType type, RowData row) throws Exception {
    JsonRowDataSerializationSchema s =
        new JsonRowDataSerializationSchema(type, TimestampFormat.SQL, JsonFormatOptions.MapNullKeyMode.FAIL, "null", true, false);
    s.open(null);
    return new String(s.serialize(row), StandardCharsets.UTF_8);
  }

  static String answer(String kind, RowType type, boolean legacy, String writer, byte[] message) throws Exception {
    if (kind.equals("schema")) {
      return "\"schema\":" + quoted(AvroSchemaConverter.convertToSchema(type, legacy).toString());
    }
    if (kind.equals("avro")) {
      Schema reader = AvroSchemaConverter.convertToSchema(type, legacy);
      Schema written = writer.isEmpty() ? reader : new Schema.Parser().parse(writer);
      GenericRecord record =
          new GenericDatumReader<GenericRecord>(written, reader).read(null, DecoderFactory.get().binaryDecoder(message, null));
      RowData row = (RowData) AvroToRowDataConverters.createRowConverter(type, legacy).convert(record);
      AvroRowDataSerializationSchema s =
          new AvroRowDataSerializationSchema(type, AvroFormatOptions.AvroEncoding.BINARY, legacy);
      s.open(null);
      String back = Base64.getEncoder().encodeToString(s.serialize(row));
      return "\"json\":" + quoted(json(type, row)) + ",\"written\":" + quoted(back);
    }
    List<String> rows = new ArrayList<>();
    DebeziumJsonDeserializationSchema d =
        new DebeziumJsonDeserializationSchema(
            TypeConversions.fromLogicalToDataType(type), List.of(), InternalTypeInfo.of(type), kind.endsWith("schema"), false, TimestampFormat.SQL);
    d.open(null);
    d.deserialize(message, new Collector<RowData>() {
      public void collect(RowData r) {
        try {
          rows.add("[" + quoted(r.getRowKind().shortString()) + "," + quoted(json(type, r)) + "]");
        } catch (Exception e) {
          throw new RuntimeException(e);
        }
      }
      public void close() {}
    });
    return "\"rows\":[" + String.join(",", rows) + "]";
  }

  public static void main(String[] args) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    PrintStream out = new PrintStream(System.out, true, "UTF-8");
    String line;
    while ((line = in.readLine()) != null) {
      String[] p = line.split("\t", -1); // kind, type of v, legacy, writer's schema, base64 message
      StringBuilder b = new StringBuilder("{\"kind\":" + quoted(p[0]) + ",\"type\":" + quoted(p[1]) + ",\"legacy\":" + p[2]);
      b.append(",\"writer\":" + quoted(p[3]) + ",\"message\":" + quoted(p[4]) + ",");
      try {
        LogicalType t = LogicalTypeParser.parse(p[1], FlinkRecords.class.getClassLoader());
        RowType type = RowType.of(false, new LogicalType[] {t, new IntType()}, new String[] {"v", "n"});
        b.append(answer(p[0], type, Boolean.parseBoolean(p[2]), p[3], Base64.getDecoder().decode(p[4])));
      } catch (Throwable e) {
        b.append("\"error\":" + quoted(reason(e)));
      }
      out.println(b.append("}"));
    }
  }
}
