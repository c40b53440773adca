// Records what Flink's own JSON and CSV formats make of single messages: one tab-separated case a line in, one JSON object out.
// Run by record.py in this folder; nothing else needs Java.
import org.apache.flink.formats.json.*;
import org.apache.flink.formats.csv.*;
import org.apache.flink.formats.common.TimestampFormat;
import org.apache.flink.table.types.logical.*;
import org.apache.flink.table.types.logical.utils.LogicalTypeParser;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.apache.flink.table.data.*;
import org.apache.flink.util.Collector;
import java.io.*; import java.nio.charset.StandardCharsets; import java.util.*;

public class FlinkFormats {
  static String text(Object v) {
    if (v == null) return null;
    if (v instanceof byte[]) { StringBuilder b=new StringBuilder("0x"); for (byte x:(byte[])v) b.append(String.format("%02x",x)); return b.toString(); }
    return v.toString();
  }
  static String q(String s){ if(s==null) return "null"; StringBuilder b=new StringBuilder("\""); for(char c: s.toCharArray()){ if(c=='"'||c=='\\') b.append('\\').append(c); else if(c<32||c>126) b.append(String.format("\\u%04x",(int)c)); else b.append(c);} return b.append('"').toString(); }
  static String root(Throwable t){ while(t.getCause()!=null&&t.getCause()!=t) t=t.getCause(); String m=t.getClass().getSimpleName()+": "+t.getMessage(); m=m.split("\n")[0]; return m.length()>120?m.substring(0,120):m; }
  public static void main(String[] a) throws Exception {
    BufferedReader in=new BufferedReader(new InputStreamReader(System.in,StandardCharsets.UTF_8));
    PrintStream out=new PrintStream(System.out,true,"UTF-8");
    String line;
    while((line=in.readLine())!=null){
      String[] p=line.split("\t",-1); // format, timestampformat, type, base64 message
      LogicalType t=LogicalTypeParser.parse(p[2],FlinkFormats.class.getClassLoader());
      RowType rt=RowType.of(new LogicalType[]{t,new IntType()}, new String[]{"v","n"});
      byte[] msg=Base64.getDecoder().decode(p[3]);
      List<RowData> got=new ArrayList<>();
      String err=null;
      try {
        Collector<RowData> c=new Collector<RowData>(){public void collect(RowData r){got.add(r);} public void close(){}};
        if(p[0].equals("json")){
          JsonParserRowDataDeserializationSchema d=new JsonParserRowDataDeserializationSchema(rt,InternalTypeInfo.of(rt),false,false,TimestampFormat.valueOf(p[1]));
          d.open(null); d.deserialize(msg,c);
        } else {
          CsvRowDataDeserializationSchema d=new CsvRowDataDeserializationSchema.Builder(rt,InternalTypeInfo.of(rt)).build();
          d.open(null); RowData r=d.deserialize(msg); if(r!=null) got.add(r);
        }
      } catch(Throwable e){ err=root(e); }
      StringBuilder b=new StringBuilder("{\"format\":"+q(p[0])+",\"standard\":"+q(p[1])+",\"type\":"+q(p[2])+",\"message\":"+q(p[3]));
      if(err!=null) b.append(",\"error\":"+q(err));
      else {
        b.append(",\"rows\":"+got.size());
        if(got.size()==1){
          RowData r=got.get(0);
          Object v=RowData.createFieldGetter(t,0).getFieldOrNull(r);
          b.append(",\"value\":"+((v instanceof GenericRowData||v instanceof GenericArrayData||v instanceof GenericMapData)?"null":q(text(v))));
          for(boolean plain: new boolean[]{false,true}){
            String e; try{ JsonRowDataSerializationSchema s=new JsonRowDataSerializationSchema(rt,TimestampFormat.valueOf(p[1]),JsonFormatOptions.MapNullKeyMode.FAIL,"null",plain,false); s.open(null); e=new String(s.serialize(r),StandardCharsets.UTF_8);}catch(Throwable x){e="!"+root(x);}
            b.append(plain?",\"json_plain\":":",\"json\":").append(q(e));
          }
          String e; try{ CsvRowDataSerializationSchema s=new CsvRowDataSerializationSchema.Builder(rt).build(); s.open(null); e=new String(s.serialize(r),StandardCharsets.UTF_8);}catch(Throwable x){e="!"+root(x);}
          b.append(",\"csv\":"+q(e));
        }
      }
      out.println(b.append("}"));
    }
  }
}
