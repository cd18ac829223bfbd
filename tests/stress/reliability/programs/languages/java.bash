# java
# needs: java
cat >H.java <<'E'
import java.util.*; import java.util.stream.*;
public class H { public static void main(String[] a) throws Exception {
  System.out.println(IntStream.range(0, 100000).filter(i -> i % 7 == 0).count()); Thread t = new Thread(() -> System.out.println("thread")); t.start(); t.join();
  System.out.println(Arrays.stream(new int[]{3, 1, 2}).parallel().map(x -> x * x).sum()); System.out.println(new ProcessBuilder("sh", "-c", "echo sub; exit 4").inheritIO().start().waitFor());
  try { Object o = null; o.hashCode(); } catch (NullPointerException e) { System.out.println("null"); } Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("hook"))); System.exit(12); } }
E
java -XX:+UseSerialGC -Xmx128m -XX:-UsePerfData H.java
echo $?
